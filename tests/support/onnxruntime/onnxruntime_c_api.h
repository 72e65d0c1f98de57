/* The part of ONNX Runtime's onnxruntime_c_api.h that the example in C uses, so that a compiler alone can try it: without
   comments, and what the example does not call as mere places in the table of functions, which only grows at its end.

   Copyright (c) Microsoft Corporation. All rights reserved. Licensed under the MIT License. */

#pragma once
#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 17

typedef enum { ORT_LOGGING_LEVEL_WARNING = 2 } OrtLoggingLevel;
typedef enum ONNXTensorElementDataType { ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 = 2 } ONNXTensorElementDataType;
typedef enum OrtAllocatorType { OrtArenaAllocator = 1 } OrtAllocatorType;
typedef enum OrtMemType { OrtMemTypeDefault = 0 } OrtMemType;

typedef struct OrtAllocator OrtAllocator;
typedef struct OrtEnv OrtEnv;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtModelMetadata OrtModelMetadata;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtStatus OrtStatus;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtValue OrtValue;

typedef struct OrtApi {
    void *CreateStatus, *GetErrorCode;
    const char *(*GetErrorMessage)(const OrtStatus *status);
    OrtStatus *(*CreateEnv)(OrtLoggingLevel log_severity_level, const char *logid, OrtEnv **out);
    void *CreateEnvWithCustomLogger, *EnableTelemetryEvents, *DisableTelemetryEvents;
    OrtStatus *(*CreateSession)(const OrtEnv *env, const char *model_path, const OrtSessionOptions *options,
        OrtSession **out);
    void *CreateSessionFromArray;
    OrtStatus *(*Run)(OrtSession *session, const OrtRunOptions *run_options, const char *const *input_names,
        const OrtValue *const *inputs, size_t input_len, const char *const *output_names, size_t
        output_names_len, OrtValue **outputs);
    OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **options);
    void *SetOptimizedModelFilePath, *CloneSessionOptions, *SetSessionExecutionMode, *EnableProfiling,
        *DisableProfiling, *EnableMemPattern, *DisableMemPattern, *EnableCpuMemArena, *DisableCpuMemArena,
        *SetSessionLogId, *SetSessionLogVerbosityLevel, *SetSessionLogSeverityLevel,
        *SetSessionGraphOptimizationLevel, *SetIntraOpNumThreads, *SetInterOpNumThreads, *CreateCustomOpDomain,
        *CustomOpDomain_Add, *AddCustomOpDomain, *RegisterCustomOpsLibrary, *SessionGetInputCount,
        *SessionGetOutputCount, *SessionGetOverridableInitializerCount;
    OrtStatus *(*SessionGetInputTypeInfo)(const OrtSession *session, size_t index, OrtTypeInfo **type_info);
    void *SessionGetOutputTypeInfo, *SessionGetOverridableInitializerTypeInfo, *SessionGetInputName,
        *SessionGetOutputName, *SessionGetOverridableInitializerName, *CreateRunOptions,
        *RunOptionsSetRunLogVerbosityLevel, *RunOptionsSetRunLogSeverityLevel, *RunOptionsSetRunTag,
        *RunOptionsGetRunLogVerbosityLevel, *RunOptionsGetRunLogSeverityLevel, *RunOptionsGetRunTag,
        *RunOptionsSetTerminate, *RunOptionsUnsetTerminate, *CreateTensorAsOrtValue;
    OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *info, void *p_data, size_t p_data_len,
        const int64_t *shape, size_t shape_len, ONNXTensorElementDataType type, OrtValue **out);
    void *IsTensor;
    OrtStatus *(*GetTensorMutableData)(OrtValue *value, void **out);
    void *FillStringTensor, *GetStringTensorDataLength, *GetStringTensorContent;
    OrtStatus *(*CastTypeInfoToTensorInfo)(const OrtTypeInfo *type_info, const OrtTensorTypeAndShapeInfo **out);
    void *GetOnnxTypeFromTypeInfo, *CreateTensorTypeAndShapeInfo, *SetTensorElementType, *SetDimensions,
        *GetTensorElementType, *GetDimensionsCount;
    OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *info, int64_t *dim_values, size_t
        dim_values_length);
    void *GetSymbolicDimensions;
    OrtStatus *(*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo *info, size_t *out);
    OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *value, OrtTensorTypeAndShapeInfo **out);
    void *GetTypeInfo, *GetValueType, *CreateMemoryInfo;
    OrtStatus *(*CreateCpuMemoryInfo)(enum OrtAllocatorType type, enum OrtMemType mem_type, OrtMemoryInfo
        **out);
    void *CompareMemoryInfo, *MemoryInfoGetName, *MemoryInfoGetId, *MemoryInfoGetMemType, *MemoryInfoGetType,
        *AllocatorAlloc, *AllocatorFree, *AllocatorGetInfo;
    OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **out);
    void *AddFreeDimensionOverride, *GetValue, *GetValueCount, *CreateValue, *CreateOpaqueValue,
        *GetOpaqueValue, *KernelInfoGetAttribute_float, *KernelInfoGetAttribute_int64,
        *KernelInfoGetAttribute_string, *KernelContext_GetInputCount, *KernelContext_GetOutputCount,
        *KernelContext_GetInput, *KernelContext_GetOutput;
    void (*ReleaseEnv)(OrtEnv *input);
    void *ReleaseStatus;
    void (*ReleaseMemoryInfo)(OrtMemoryInfo *input);
    void (*ReleaseSession)(OrtSession *input);
    void (*ReleaseValue)(OrtValue *input);
    void *ReleaseRunOptions;
    void (*ReleaseTypeInfo)(OrtTypeInfo *input);
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *input);
    void (*ReleaseSessionOptions)(OrtSessionOptions *input);
    void *ReleaseCustomOpDomain, *GetDenotationFromTypeInfo, *CastTypeInfoToMapTypeInfo,
        *CastTypeInfoToSequenceTypeInfo, *GetMapKeyType, *GetMapValueType, *GetSequenceElementType,
        *ReleaseMapTypeInfo, *ReleaseSequenceTypeInfo, *SessionEndProfiling;
    OrtStatus *(*SessionGetModelMetadata)(const OrtSession *session, OrtModelMetadata **out);
    void *ModelMetadataGetProducerName, *ModelMetadataGetGraphName, *ModelMetadataGetDomain,
        *ModelMetadataGetDescription;
    OrtStatus *(*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *model_metadata, OrtAllocator
        *allocator, const char *key, char **value);
    void *ModelMetadataGetVersion;
    void (*ReleaseModelMetadata)(OrtModelMetadata *input);
} OrtApi;

typedef struct OrtApiBase {
    const OrtApi *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} OrtApiBase;

const OrtApiBase *OrtGetApiBase(void);

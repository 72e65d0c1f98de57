/* Answers to photos from an exported classifier, by ONNX Runtime's C API; nothing of Shotline is needed.

       cc answer.c -I INCLUDE -L LIB -lonnxruntime -lm -o answer
       ./answer model.onnx photo.ppm another.ppm

   INCLUDE holds onnxruntime_c_api.h and LIB libonnxruntime.so; both are in ONNX Runtime's archives for C (1.17 or later).
   A photo comes as a binary PPM, the right way up: `djpeg photo.jpg > photo.ppm`, or your own decoder in the place of
   `read_ppm`. It is resized and cropped as Pillow does it, bit for bit, with weights of 22 bits (Pillow's
   src/libImaging/Resample.c, MIT-CMU). A line a photo: path, class, probability, and "unknown" where it is below the
   threshold; separated by tabs. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

#define BITS 22

static const OrtApi *ort;

typedef struct {
    int width, height;
    uint8_t *pixels; /* RGB, row by row */
} Image;

/* What the model says of itself. */
typedef struct {
    char *classes; /* a name a line */
    char *interpolation, *resize_mode;
    float threshold; /* 0: every photo gets a class */
    int height, width;
} Facts;

static void fail(const char *what, const char *on) {
    fprintf(stderr, "%s: %s\n", on, what);
    exit(2);
}

static void check(OrtStatus *status) {
    if (status != NULL) fail(ort->GetErrorMessage(status), "ONNX Runtime");
}

static void *reserve(size_t bytes) {
    void *memory = malloc(bytes);
    if (memory == NULL) fail("out of memory", "answer");
    return memory;
}

static Image empty_image(int width, int height) {
    Image image = {width, height, reserve((size_t)width * height * 3)};
    return image;
}

static int header_number(FILE *file, const char *path) {
    int number, letter = fgetc(file);
    while (letter == '#' || letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t') {
        if (letter == '#') {
            while (letter != '\n' && letter != EOF) letter = fgetc(file);
        }
        letter = fgetc(file);
    }
    ungetc(letter, file);
    if (fscanf(file, "%d", &number) != 1 || number < 1 || number > 65535) fail("it is no binary PPM", path);
    return number;
}

static Image read_ppm(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("it cannot be opened", path);
    if (fgetc(file) != 'P' || fgetc(file) != '6') fail("it is no binary PPM", path);
    int width = header_number(file, path), height = header_number(file, path);
    if (header_number(file, path) != 255) fail("it does not have 8 bits a colour", path);
    fgetc(file);
    Image image = empty_image(width, height);
    size_t bytes = (size_t)width * height * 3;
    if (fread(image.pixels, 1, bytes, file) != bytes) fail("it is cut off", path);
    fclose(file);
    return image;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static uint8_t clipped(int sum) {
    sum >>= BITS;
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* One axis made `to` long; `down` says which. Frees the image that it is given. */
static Image resized_along(Image image, int to, int down, const char *interpolation) {
    int from = down ? image.height : image.width, lines = down ? image.width : image.height;
    if (to == from) return image;
    double (*filter)(double) = strcmp(interpolation, "bilinear") == 0 ? bilinear : bicubic;
    double scale = (double)from / to, widened = scale < 1 ? 1 : scale;
    double support = (filter == bilinear ? 1 : 2) * widened;
    Image made = down ? empty_image(image.width, to) : empty_image(to, image.height);
    double *exact = reserve(sizeof(double) * ((size_t)ceil(support) * 2 + 1));
    int *weights = reserve(sizeof(int) * ((size_t)ceil(support) * 2 + 1));
    size_t step = down ? (size_t)image.width * 3 : 3, made_step = down ? (size_t)made.width * 3 : 3;
    size_t line = down ? 3 : (size_t)image.width * 3, made_line = down ? 3 : (size_t)made.width * 3;
    for (int place = 0; place < to; place++) {
        double centre = (place + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (last > from) last = from;
        for (int x = first; x < last; x++) sum += exact[x - first] = filter((x - centre + 0.5) / widened);
        for (int x = first; x < last; x++) {
            double weight = exact[x - first] / sum;
            weights[x - first] = (int)(weight * (1 << BITS) + (weight < 0 ? -0.5 : 0.5));
        }
        for (int row = 0; row < lines; row++) {
            const uint8_t *source = image.pixels + row * line + first * step;
            for (int colour = 0; colour < 3; colour++) {
                int total = 1 << (BITS - 1);
                for (int x = 0; x < last - first; x++) total += source[x * step + colour] * weights[x];
                made.pixels[row * made_line + place * made_step + colour] = clipped(total);
            }
        }
    }
    free(exact);
    free(weights);
    free(image.pixels);
    return made;
}

/* A slim tall photo is made lower first, as Pillow does. */
static Image resized(Image image, int width, int height, const char *interpolation) {
    if (image.height > 2 * image.width && height < image.height) {
        return resized_along(resized_along(image, height, 1, interpolation), width, 0, interpolation);
    }
    return resized_along(resized_along(image, width, 0, interpolation), height, 1, interpolation);
}

/* The graph's input of one photo: (1, height, width, 3). Frees the photo. */
static Image prepared(Image photo, const Facts *facts) {
    if (strcmp(facts->resize_mode, "squash") == 0) {
        return resized(photo, facts->width, facts->height, facts->interpolation);
    }
    double shorter = photo.width < photo.height ? photo.width : photo.height;
    double longer = photo.width < photo.height ? photo.height : photo.width;
    int other = (int)(facts->height * longer / shorter);
    Image whole = photo.width <= photo.height ? resized(photo, facts->height, other, facts->interpolation)
                                              : resized(photo, other, facts->height, facts->interpolation);
    int left = (int)nearbyint((whole.width - facts->width) / 2.0); /* halves to the even number, as Python does */
    int top = (int)nearbyint((whole.height - facts->height) / 2.0);
    Image middle = empty_image(facts->width, facts->height);
    for (int y = 0; y < facts->height; y++) {
        const uint8_t *row = whole.pixels + ((size_t)(top + y) * whole.width + left) * 3;
        memcpy(middle.pixels + (size_t)y * facts->width * 3, row, (size_t)facts->width * 3);
    }
    free(whole.pixels);
    return middle;
}

static Facts facts_of(OrtSession *session) {
    Facts facts;
    OrtAllocator *allocator;
    OrtModelMetadata *metadata;
    OrtTypeInfo *type;
    const OrtTensorTypeAndShapeInfo *shape;
    char *threshold;
    int64_t sides[4];
    check(ort->GetAllocatorWithDefaultOptions(&allocator));
    check(ort->SessionGetModelMetadata(session, &metadata));
    check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "classes", &facts.classes));
    check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "threshold", &threshold));
    check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "interpolation", &facts.interpolation));
    check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "resize_mode", &facts.resize_mode));
    if (!facts.classes || !threshold || !facts.interpolation || !facts.resize_mode) fail("it is no export", "the model");
    check(ort->SessionGetInputTypeInfo(session, 0, &type));
    check(ort->CastTypeInfoToTensorInfo(type, &shape));
    check(ort->GetDimensions(shape, sides, 4));
    facts.threshold = strtof(threshold, NULL);
    facts.height = (int)sides[1];
    facts.width = (int)sides[2];
    ort->ReleaseTypeInfo(type);
    ort->ReleaseModelMetadata(metadata);
    return facts;
}

/* The most probable class of one photo, by its place, and its probability. */
static int best_of(OrtSession *session, const Facts *facts, Image photo, float *probability) {
    const char *inputs[] = {"photos"}, *outputs[] = {"probabilities"};
    int64_t shape[] = {1, facts->height, facts->width, 3};
    size_t bytes = (size_t)facts->height * facts->width * 3, n_classes;
    OrtMemoryInfo *memory;
    OrtValue *given = NULL, *found = NULL;
    OrtTensorTypeAndShapeInfo *answered;
    float *probabilities;
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(ort->CreateTensorWithDataAsOrtValue(memory, photo.pixels, bytes, shape, 4, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
                                              &given));
    check(ort->Run(session, NULL, inputs, (const OrtValue *const *)&given, 1, outputs, 1, &found));
    check(ort->GetTensorMutableData(found, (void **)&probabilities));
    check(ort->GetTensorTypeAndShape(found, &answered));
    check(ort->GetTensorShapeElementCount(answered, &n_classes));
    int best = 0;
    for (int place = 1; place < (int)n_classes; place++) {
        if (probabilities[place] > probabilities[best]) best = place;
    }
    *probability = probabilities[best];
    ort->ReleaseTensorTypeAndShapeInfo(answered);
    ort->ReleaseValue(found);
    ort->ReleaseValue(given);
    ort->ReleaseMemoryInfo(memory);
    return best;
}

int main(int count, char **arguments) {
    if (count < 3) fail("say: answer model.onnx photo.ppm...", "answer");
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (ort == NULL) fail("the library is older than the header", "ONNX Runtime");
    OrtEnv *environment;
    OrtSessionOptions *options;
    OrtSession *session;
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "answer", &environment));
    check(ort->CreateSessionOptions(&options));
    check(ort->CreateSession(environment, arguments[1], options, &session));
    Facts facts = facts_of(session);
    for (int number = 2; number < count; number++) {
        float probability;
        Image photo = prepared(read_ppm(arguments[number]), &facts);
        const char *name = facts.classes;
        for (int left = best_of(session, &facts, photo, &probability); left > 0; left--) name = strchr(name, '\n') + 1;
        printf("%s\t%.*s\t%.4f%s\n", arguments[number], (int)strcspn(name, "\n"), name, probability,
               probability < facts.threshold ? "\tunknown" : "");
        free(photo.pixels);
    }
    ort->ReleaseSession(session);
    ort->ReleaseSessionOptions(options);
    ort->ReleaseEnv(environment);
    return 0;
}

"""Half the size: an ONNX model's weights in half precision, and if wanted its image tower's arithmetic too.

The head and the calibration are always computed in single precision.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["in_half_precision", "with_half_weights"]

_LEAST_NUMBERS = 1024  # smaller tensors stay as they are
_LARGEST = 6e4  # what half precision can hold, with a margin


def in_half_precision(model: ModelProto) -> ModelProto:
    """The model with the nodes that lead to `embedding` in half precision; its input and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    tower = _leading_to(model, "embedding")
    others = [node.name for node in model.graph.node if node.name not in tower]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # weights below half precision's smallest number
        converted: ModelProto = convert_float_to_float16(
            model, keep_io_types=True, disable_shape_infer=False, node_block_list=others
        )
    return with_half_weights(converted)


def with_half_weights(model: ModelProto) -> ModelProto:
    """The model with its large weights stored in half precision and made single again when it is loaded.

    The arithmetic stays in single precision, and a runtime that folds constants loses no time.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for holder, tensor, name in _weights(graph):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _LEAST_NUMBERS or np.abs(values).max() > _LARGEST:
            continue
        halved = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        holder.remove(tensor if holder is graph.initializer else _constant_of(graph, name))
        graph.initializer.append(halved)
        casts.append(helper.make_node("Cast", [halved.name], [name], f"{name}_single", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _weights(graph: Any) -> list[tuple[Any, Any, str]]:
    """The place of each tensor of numbers (initialisers or nodes), the tensor, and its name in the graph."""
    found = [(graph.initializer, tensor, tensor.name) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found.append((graph.node, node.attribute[0].t, node.output[0]))
    return found


def _constant_of(graph: Any, name: str) -> Any:
    return next(node for node in graph.node if node.op_type == "Constant" and node.output[0] == name)


def _leading_to(model: ModelProto, output: str) -> set[str]:
    """Names of the nodes that compute a tensor."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting += node.input
    return found

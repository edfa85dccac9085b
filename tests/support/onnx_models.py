"""Minimal ONNX models as bytes."""

from __future__ import annotations


def make_onnx_model(producer: str, weights: str) -> bytes:
    """A model with one tensor that is stored in the external file ``weights``."""
    from onnx import GraphProto, ModelProto, TensorProto

    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=weights)
    graph = GraphProto(initializer=[tensor])
    content: bytes = ModelProto(producer_name=producer, graph=graph).SerializeToString()
    return content


def make_corner_model(batch_size: int | str, side: int = 256) -> bytes:
    """A model that takes ``batch_size`` crops and returns ``crops[:, 0, :18, :3]``."""
    from numpy import array
    from onnx import TensorProto, helper, numpy_helper

    shapes = {"crops": [batch_size, 3, side, side], "cells_xyz": [batch_size, 18, 3]}
    crops, cells_xyz = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    numbers = {"starts": [0, 0, 0], "ends": [1, 18, 3], "axes": [1, 2, 3], "channel": [1]}
    constants = [numpy_helper.from_array(array(values), name) for name, values in numbers.items()]
    nodes = [
        helper.make_node("Slice", ["crops", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("Squeeze", ["corner", "channel"], ["cells_xyz"]),
    ]
    graph = helper.make_graph(nodes, "corner", [crops], [cells_xyz], constants)
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content

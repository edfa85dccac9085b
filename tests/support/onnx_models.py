"""Minimal ONNX models as bytes."""


def make_onnx_model(producer: str, weights: str) -> bytes:
    """A model with one tensor that is stored in the external file ``weights``."""
    from onnx import GraphProto, ModelProto, TensorProto

    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=weights)
    graph = GraphProto(initializer=[tensor])
    content: bytes = ModelProto(producer_name=producer, graph=graph).SerializeToString()
    return content


def make_sparse_model(weights: str) -> bytes:
    """A model that adds a sparse number, stored in the external file ``weights``, to its input."""
    from onnx import ModelProto, SparseTensorProto, helper, load_from_string

    model: ModelProto = load_from_string(make_corner_model(1))
    (values,) = load_from_string(make_onnx_model("", weights)).graph.initializer
    values.name = "sparse"
    indices = helper.make_tensor("indices", 7, [1], [0])
    model.graph.sparse_initializer.append(
        SparseTensorProto(values=values, indices=indices, dims=[1])
    )
    model.graph.node[0].input[0] = "moved"
    model.graph.node.insert(0, helper.make_node("Add", ["crops", "sparse"], ["moved"]))
    content: bytes = model.SerializeToString()
    return content


def make_corner_model(
    batch_size: int | str,
    side: int | str = 256,
    dtype: str = "FLOAT",
    copies: tuple[int, int] = (1, 1),
) -> bytes:
    """A model that takes ``batch_size`` crops and returns ``crops[:, 0, :18, :3]``.

    ``copies`` are the numbers of inputs and outputs; those after the first are not used.
    """
    from numpy import array
    from onnx import TensorProto, helper, numpy_helper

    shapes = {"crops": [batch_size, 3, side, side], "cells_xyz": [batch_size, 18, 3]}
    inputs, outputs = (
        [
            helper.make_tensor_value_info(name + "_" * n, getattr(TensorProto, dtype), shape)
            for n in range(count)
        ]
        for (name, shape), count in zip(shapes.items(), copies, strict=True)
    )
    numbers = {"starts": [0, 0, 0], "ends": [1, 18, 3], "axes": [1, 2, 3], "channel": [1]}
    constants = [numpy_helper.from_array(array(values), name) for name, values in numbers.items()]
    nodes = [
        helper.make_node("Slice", ["crops", "starts", "ends", "axes"], ["corner"]),
        *(helper.make_node("Squeeze", ["corner", "channel"], [each.name]) for each in outputs),
    ]
    graph = helper.make_graph(nodes, "corner", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content

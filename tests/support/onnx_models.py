"""ONNX models as bytes, with no more in them than a test needs."""

from __future__ import annotations


def onnx_model(producer: str, weights: str) -> bytes:
    """A model by this producer with one tensor in the file ``weights``."""
    from onnx import GraphProto, ModelProto, TensorProto

    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=weights)
    graph = GraphProto(initializer=[tensor])
    content: bytes = ModelProto(producer_name=producer, graph=graph).SerializeToString()
    return content

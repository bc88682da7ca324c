"""Building blocks that more than one stage runs on: ONNX Runtime sessions and the YOLOX backbone.

It lies below the stages because the detector and the heat-map network share one backbone, and stages never
import each other.
"""

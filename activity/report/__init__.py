"""What the user is given: `report.json`, overlays for the annotated video, and the HTML report."""

from activity.report.analysis import PARTS, ClipAnalysis, FireReading, ModelInfo, Part
from activity.report.html_report import EMBED_LIMIT_BYTES, write_html
from activity.report.json_report import read_head, read_report, report_schema, write_json
from activity.report.keyframes import KeyFrame, KeyFrameCollector, KeyFrameRequest, key_frame_requests
from activity.report.layer_files import write_layers
from activity.report.layers import Layers, read_layers
from activity.report.overlay import OverlayRenderer
from activity.report.redaction import HeadRedactor
from activity.report.schema import SCHEMA_VERSION, Report, ReportHead

__all__ = [
    "EMBED_LIMIT_BYTES",
    "PARTS",
    "SCHEMA_VERSION",
    "ClipAnalysis",
    "FireReading",
    "HeadRedactor",
    "KeyFrame",
    "KeyFrameCollector",
    "KeyFrameRequest",
    "Layers",
    "ModelInfo",
    "OverlayRenderer",
    "Part",
    "Report",
    "ReportHead",
    "key_frame_requests",
    "read_head",
    "read_layers",
    "read_report",
    "report_schema",
    "write_html",
    "write_json",
    "write_layers",
]

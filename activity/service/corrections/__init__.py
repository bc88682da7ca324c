"""What people decided of incidents, put to use: training data, and thresholds that fit."""

from activity.service.corrections.reviewed import ReviewedIncident, collect_reviewed

__all__ = ["ReviewedIncident", "collect_reviewed"]

"""Evidence bundles: one incident in one file that proves itself, and the check that it is untouched.

Bundles are written by `activity.service.evidence.export`; `verify_bundle` needs neither database nor network.
"""

from activity.service.evidence.verification import Break, Verification, verify_bundle

__all__ = ["Break", "Verification", "verify_bundle"]

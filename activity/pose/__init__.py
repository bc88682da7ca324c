"""People's poses in one picture: one protocol, one-shot and top-down estimators behind it.

Import the estimator that you need from its own module; this package imports none of them, for each
brings a heavy runtime that the others do not need.
"""

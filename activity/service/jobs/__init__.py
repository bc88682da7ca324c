"""Durable jobs: each clip is analysed in resumable steps, in limited processes, by any number of workers.

Nothing is imported here: the limited process is to load only what reads a clip.
"""

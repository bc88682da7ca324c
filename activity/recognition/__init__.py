"""What a person does during a segment: BPTubeFormer, its baselines, their checkpoints and batch inference."""

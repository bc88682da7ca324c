"""Why a BPTubeFormer said what it said: attention, roll-out, occlusion, and how a population lies in its space."""

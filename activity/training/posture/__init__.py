"""Train the machine that tells from a posture whether somebody is armed: weak evidence beside a weapon that was seen."""

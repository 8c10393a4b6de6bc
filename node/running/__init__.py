"""Running what the orchestrator gave this node: real processes with limits, watched, restarted, fenced."""

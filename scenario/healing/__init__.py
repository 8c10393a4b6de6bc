"""A network whose nodes run workloads for an orchestrator: nodes are killed, and others take over."""

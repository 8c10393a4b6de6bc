"""What orchestrators, nodes and CSPs say to each other: documents, messages, typed data. Pure."""

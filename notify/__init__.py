"""Telling people what happens to their nodes and jobs before a bill does."""

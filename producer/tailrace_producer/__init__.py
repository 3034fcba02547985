"""Sending events to a Kinesis stream as the KPL does."""

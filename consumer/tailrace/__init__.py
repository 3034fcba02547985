"""tailrace: Kinesis events, policed, exactly once in the lake."""

__version__ = "0.1.0"

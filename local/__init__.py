"""The whole system on one machine: stand-in AWS, traffic, demo."""

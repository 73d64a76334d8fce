"""Time that runs both ways: snapshots, record and replay, stepping back."""

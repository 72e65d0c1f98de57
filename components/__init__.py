"""What Shotline does: plain Python, one package a room, no Prefect and no DVC."""

"""Programs that answer from an export without Shotline; they are copied beside it, and run by the tests."""

"""Programs that answer from an export without Shotline; they are copied beside the export, and the tests run them."""

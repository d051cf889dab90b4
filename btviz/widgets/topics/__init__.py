"""The view of maps and topics."""

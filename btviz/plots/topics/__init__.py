"""Pictures of maps and topics."""

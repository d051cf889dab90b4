"""Charts that answer clicks in the views."""

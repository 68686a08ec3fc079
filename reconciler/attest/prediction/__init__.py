"""What an image will make the firmware measure, from its bytes alone. Never: values collected from a machine."""

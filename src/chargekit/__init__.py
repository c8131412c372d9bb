"""chargekit: an EV charger emulator and conformance test kit with hardware in the loop."""

__version__ = "0.1.0"

"""OCPP-J framing and correlation, message codecs per version, schemas and Modbus register maps. Sans-I/O."""

//! The audience language: parsed once, evaluated over facts.

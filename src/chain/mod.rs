//! Pure chain assembly.

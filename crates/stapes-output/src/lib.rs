//! How what a session says looks: text and JSON.

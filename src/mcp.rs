//! MCP.
pub mod relay;
pub mod uri;

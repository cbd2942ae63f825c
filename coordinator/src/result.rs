//! Results for people: show, export, verify.
//!
//! Owns the rendering of a bundle. It must not know how a session ran.

use crate::cli::Context;
use crate::cli::result::{Export, Show, Verify};
use crate::error::Error;

fn not_yet() -> Error {
    Error::session("this version has no results yet")
}

/// Shows a result.
///
/// # Errors
/// When there is none.
pub fn show(_context: &Context, _args: &Show) -> Result<(), Error> {
    Err(not_yet())
}

/// Writes a result to a file.
///
/// # Errors
/// When there is none, or it cannot be written.
pub fn export(_context: &Context, _args: &Export) -> Result<(), Error> {
    Err(not_yet())
}

/// Verifies a bundle.
///
/// # Errors
/// When it does not verify.
pub fn verify(_context: &Context, _args: &Verify) -> Result<(), Error> {
    Err(not_yet())
}

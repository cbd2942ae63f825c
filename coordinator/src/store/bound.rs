//! Table `bound`: the first certified survivors of a pass in a slot, to which later sessions are bound.

use super::{Store, damaged, unsigned};
use crate::error::Error;
use samensom_protocol::message::{Bound, Pass};

impl Store {
    /// The survivors of every slot of a lock, the latest slot first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn bounds(&self, lock: &str) -> Result<Vec<(u64, Pass, Bound)>, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(
            "/* bounds */ SELECT slot, pass, body FROM bound WHERE lock = ?1 ORDER BY slot DESC, pass",
        )?;
        let found = rows.query_map([lock], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        found
            .map(|row| {
                let (slot, pass, body) = row?;
                let pass = serde_json::from_str(&pass).map_err(|why| damaged("bound", &why))?;
                let bound = serde_json::from_str(&body).map_err(|why| damaged("bound", &why))?;
                Ok((unsigned(slot), pass, bound))
            })
            .collect()
    }
}

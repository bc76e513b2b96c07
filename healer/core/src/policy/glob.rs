//! Patterns for names: `*` stands for anything.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern in which `*` stands for any characters, and everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

impl Glob {
    /// Whether all of `name` fits.
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl TryFrom<String> for Glob {
    type Error = &'static str;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        if pattern.is_empty() {
            return Err("an empty pattern fits no worker; use * for all");
        }
        Ok(Self(pattern))
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let cases = [
            ("loader-*", "loader-producer", true),
            ("loader-*", "loader-", true),
            ("loader-*", "preloader-x", false),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*-api-*", "loader-api-trades", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
        ];
        for (pattern, name, fits) in cases {
            let glob = Glob::try_from(pattern.to_owned()).unwrap();
            assert_eq!(glob.fits(name), fits, "{pattern} {name}");
        }
    }
}

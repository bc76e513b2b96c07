//! The part of a metric that is the plugin's own.

use serde_json::Value;
use thiserror::Error;

use crate::Metric;

/// What stands under `provider.plugin` in a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The name that the administrator gave the plugin; any name is ours.
    pub plugin: String,
    /// The JSON under it.
    pub value: Value,
}

/// A metric without a usable configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Nothing under `provider.plugin`.
    #[error(
        "reading metric {0:?}: nothing stands under `provider.plugin`; put the configuration there, under the name that \
         the ConfigMap argo-rollouts-config gives the plugin"
    )]
    Absent(String),
    /// Configurations of several plugins.
    #[error(
        "reading metric {0:?}: `provider.plugin` holds {1}, and which one is meant cannot be told; leave one, and make \
         a metric of its own for each of the others"
    )]
    Several(String, String),
    /// Not JSON, or nested too deep.
    #[error("reading `provider.plugin[{plugin:?}]` of metric {metric:?} as JSON")]
    Json {
        /// Name of the metric.
        metric: String,
        /// Name of the plugin.
        plugin: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Metric {
    /// The sole configuration in the metric.
    pub fn configuration(&self) -> Result<Configuration, ConfigurationError> {
        let mut all = self.provider.plugin.iter();
        let (Some((plugin, json)), None) = (all.next(), all.next()) else {
            return Err(self.not_one());
        };
        let value = serde_json::from_slice(json).map_err(|source| ConfigurationError::Json {
            metric: self.name.clone(),
            plugin: plugin.clone(),
            source,
        })?;
        Ok(Configuration {
            plugin: plugin.clone(),
            value,
        })
    }

    fn not_one(&self) -> ConfigurationError {
        let names: Vec<_> = self
            .provider
            .plugin
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        if names.is_empty() {
            return ConfigurationError::Absent(self.name.clone());
        }
        ConfigurationError::Several(self.name.clone(), names.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Provider;

    fn metric(plugins: &[(&str, &str)]) -> Metric {
        let plugin = plugins
            .iter()
            .map(|(name, json)| ((*name).to_owned(), json.as_bytes().to_vec()));
        Metric {
            name: "errors".to_owned(),
            provider: Provider {
                plugin: plugin.collect(),
            },
            ..Metric::default()
        }
    }

    #[test]
    fn the_sole_key_is_taken_whatever_its_name() {
        let found = metric(&[("acme/anything", r#"{"step": "30s"}"#)])
            .configuration()
            .unwrap();
        assert_eq!(found.plugin, "acme/anything");
        assert_eq!(found.value["step"], "30s");
    }

    #[test]
    fn no_key_and_several_keys_are_refused_in_words() {
        let none = metric(&[]).configuration().unwrap_err().to_string();
        assert!(
            none.contains("\"errors\"") && none.contains("provider.plugin"),
            "{none}"
        );
        let two = metric(&[("a/b", "{}"), ("c/d", "{}")])
            .configuration()
            .unwrap_err()
            .to_string();
        assert!(two.contains("`a/b` and `c/d`"), "{two}");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(metric(&[("a/b", "{")]).configuration().is_err());
        assert!(
            metric(&[("a/b", &"[".repeat(100_000))])
                .configuration()
                .is_err()
        );
    }
}

//! Selectors of raw counters: a metric name and label matchers, nothing that computes.

use std::fmt;

use crate::SourceError;

/// One `label op "value"`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

/// Label matchers, as `a="b",c=~"d"`, with or without braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(Vec<Matcher>);

/// A raw counter: a metric name with matchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    name: String,
    matchers: Matchers,
}

/// What a custom guard looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomQuery {
    /// Counters of all, and of those that count.
    Events(Selector, Selector),
    /// A histogram, without `_bucket`.
    Histogram(Selector),
    /// `PromQL` whose value has no labels or one series.
    Value(String),
}

/// What to count, for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Counters of all requests and of failed ones.
    pub errors: Option<(Selector, Selector)>,
    /// The latency histogram, without `_bucket`.
    pub latency: Option<Selector>,
    /// What custom guards look at, by their names.
    pub custom: Vec<(String, CustomQuery)>,
    /// What selects the canary's pods, common matchers included.
    pub canary: Matchers,
    /// What selects the stable pods, common matchers included.
    pub stable: Matchers,
    /// Labels whose values make a stratum.
    pub strata: Vec<String>,
    /// The label that names the pod.
    pub pod: String,
}

impl Query {
    /// Refuses labels of strata and pods that no series can have: they would be empty everywhere, and all requests one
    /// stratum.
    pub fn check(&self) -> Result<(), SourceError> {
        let mut labels = self.strata.iter().chain([&self.pod]);
        match labels.find(|label| !is_label_name(label)) {
            Some(label) => Err(SourceError::Label {
                label: label.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Matchers {
    /// Reads `a="b",c=~"d"`; braces and a trailing comma are allowed.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let body = text.trim();
        let body = body
            .strip_prefix('{')
            .and_then(|b| b.strip_suffix('}'))
            .unwrap_or(body);
        pairs(body).map(Self).map_err(|why| refuse(text, why))
    }

    /// Reads an arm's matchers: at least one, and none that an empty label satisfies by equality.
    pub fn arm(text: &str) -> Result<Self, SourceError> {
        let matchers = Self::parse(text)?;
        if matchers.0.is_empty() {
            return Err(refuse(
                text,
                "it is empty and would select every pod".into(),
            ));
        }
        if let Some(empty) = matchers
            .0
            .iter()
            .find(|m| m.operator == "=" && m.value.is_empty())
        {
            let why = format!(
                "`{}` is empty; was an argument of the template not filled in?",
                empty.label
            );
            return Err(refuse(text, why));
        }
        Ok(matchers)
    }

    /// Whether labels satisfy the matchers. Regular expressions are left to Prometheus and refused here.
    pub(crate) fn select(
        &self,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> Result<bool, SourceError> {
        let mut all = true;
        for m in &self.0 {
            let value = labels.get(&m.label).map_or("", String::as_str);
            all &= match m.operator {
                "=" => value == m.value,
                "!=" => value != m.value,
                _ => {
                    return Err(refuse(
                        &self.to_string(),
                        "a direct scrape compares with = and != only".into(),
                    ));
                }
            };
        }
        Ok(all)
    }

    /// These matchers and those.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }
}

impl Selector {
    /// Reads `name` or `name{matchers}`.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
        let name = name.trim();
        if !is_metric_name(name) {
            return Err(refuse(
                text,
                "write a metric's name with matchers, such as requests_total{code=\"500\"}; \
                functions such as rate() are not needed, raw counters are read"
                    .into(),
            ));
        }
        let body = rest
            .trim_end()
            .strip_suffix('}')
            .ok_or_else(|| refuse(text, "the closing } is missing".into()))?;
        let matchers = pairs(body).map(Matchers).map_err(|why| refuse(text, why))?;
        Ok(Self {
            name: name.to_owned(),
            matchers,
        })
    }

    /// `up`, which tells for every target whether its last scrape was answered.
    pub(crate) fn named_up() -> Self {
        Self {
            name: "up".to_owned(),
            matchers: Matchers::default(),
        }
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The selector under another name.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            matchers: self.matchers.clone(),
        }
    }

    /// Its matchers.
    pub(crate) fn matchers(&self) -> &Matchers {
        &self.matchers
    }

    /// The selector narrowed to some matchers.
    #[must_use]
    pub fn with(&self, more: &Matchers) -> Self {
        Self {
            name: self.name.clone(),
            matchers: self.matchers.and(more),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{}}}", self.name, self.matchers)
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, m) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}{}{}", m.label, m.operator, quoted(&m.value))?;
        }
        Ok(())
    }
}

fn pairs(body: &str) -> Result<Vec<Matcher>, String> {
    let mut found = Vec::new();
    let mut rest = body.trim_start();
    while !rest.is_empty() {
        let (matcher, after) = pair(rest)?;
        found.push(matcher);
        rest = match after.trim_start().strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.trim().is_empty() => "",
            None => return Err(format!("a comma is missing before `{}`", after.trim())),
        };
    }
    Ok(found)
}

fn pair(text: &str) -> Result<(Matcher, &str), String> {
    let end = text
        .find(['=', '!'])
        .ok_or_else(|| format!("`{text}` is no label=\"value\""))?;
    let (label, rest) = text.split_at(end);
    let label = label.trim();
    if !is_label_name(label) {
        return Err(format!("`{label}` is no label name"));
    }
    let operator = ["=~", "!~", "!=", "="]
        .into_iter()
        .find(|o| rest.starts_with(o))
        .ok_or("expected =, !=, =~ or !~")?;
    let (value, rest) = string(rest.strip_prefix(operator).unwrap_or(rest).trim_start())?;
    Ok((
        Matcher {
            label: label.to_owned(),
            operator,
            value,
        },
        rest,
    ))
}

/// Reads a quoted string with the escapes that PromQL and the text exposition share.
fn string(text: &str) -> Result<(String, &str), String> {
    let mut chars = text.char_indices();
    let Some((_, quote @ ('"' | '\'' | '`'))) = chars.next() else {
        return Err(format!("a quoted value is expected at `{text}`"));
    };
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, text.split_at(at + c.len_utf8()).1)),
            '\\' if quote != '`' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('\\' | '"' | '\''))) => value.push(c),
                _ => return Err(format!("unknown escape in {text}")),
            },
            c => value.push(c),
        }
    }
    Err(format!("the quote of {text} is not closed"))
}

fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

fn is_metric_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(word) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

fn refuse(selector: &str, why: String) -> SourceError {
    SourceError::Selector {
        selector: selector.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_narrowed_and_written_back() {
        let total = Selector::parse(r#"requests_total{path='/a "b"',code!~"5.."}"#).unwrap();
        let arm = Matchers::arm(r#"{hash="5c8",}"#).unwrap();
        assert_eq!(
            total.with(&arm).to_string(),
            r#"requests_total{path="/a \"b\"",code!~"5..",hash="5c8"}"#
        );
        assert_eq!(Selector::parse("up").unwrap().to_string(), "up{}");
    }

    #[test]
    fn labels_of_strata_and_pods_are_names() {
        let query = |stratum: &str, pod: &str| Query {
            errors: None,
            latency: None,
            custom: Vec::new(),
            canary: Matchers::default(),
            stable: Matchers::default(),
            strata: vec!["route".to_owned(), stratum.to_owned()],
            pod: pod.to_owned(),
        };
        assert!(query("_zone2", "Pod").check().is_ok());
        for bad in [
            "",
            "2xx",
            "http.route",
            "a:b",
            "route=\"/u\"",
            "{route}",
            "größe",
        ] {
            for query in [query(bad, "pod"), query("zone", bad)] {
                let error = query.check().unwrap_err().to_string();
                assert!(error.contains(&format!("`{bad}`")), "{error}");
                assert!(error.contains("such as route or http_route"), "{error}");
            }
        }
    }

    #[test]
    fn what_computes_or_is_empty_is_refused_with_a_hint() {
        for (text, hint) in [
            ("", "metric's name"),
            ("rate(x[5m])", "raw counters"),
            ("x{a=\"b\"", "closing }"),
            ("x{a}", "no label"),
            ("x{a=\"b\" c=\"d\"}", "comma"),
            ("x{a=\"b}", "not closed"),
        ] {
            let error = Selector::parse(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert!(
            Matchers::arm("{}")
                .unwrap_err()
                .to_string()
                .contains("every pod")
        );
        assert!(
            Matchers::arm("hash=\"\"")
                .unwrap_err()
                .to_string()
                .contains("not filled in")
        );
    }
}

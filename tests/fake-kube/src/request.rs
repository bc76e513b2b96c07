//! What is asked: a verb, a resource, a name and parameters, read from a method and a path.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::Value;

use crate::{
    object::text,
    resource::{Key, Resource},
    status::Status,
};

/// What is done, in the words of Kubernetes' own access rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET of one object.
    Get,
    /// GET of many.
    List,
    /// GET of what happens from now on.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
}

impl Verb {
    /// Whether it may change something.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// As messages name it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A request that names something that is served.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    /// Without a name, or without a namespace, all of them are meant.
    pub(crate) key: Key,
    pub(crate) query: Query,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// Path and query as they came.
    pub(crate) path: String,
}

impl Request {
    pub(crate) fn parse(method: &Method, path: &str, query: &str) -> Result<Self, Status> {
        let key = key(path)?;
        let query_map = Query::parse(query);
        let path = match query {
            "" => path.to_owned(),
            query => format!("{path}?{query}"),
        };
        Ok(Self {
            verb: verb(method, &key, &query_map)?,
            key,
            query: query_map,
            content_type: String::new(),
            body: Vec::new(),
            path,
        })
    }

    /// The object that is meant: a POST names it in its body.
    pub(crate) fn object_name(&self) -> String {
        if self.verb == Verb::Create {
            let body = self.json().unwrap_or_default();
            return text(&body, "/metadata/name").to_owned();
        }
        self.key.name.clone()
    }

    /// The body as JSON, if it is that.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether it only asks what would happen. A DELETE that has a body says so there, and only there.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.query.text("dryRun") == "All"
    }
}

fn key(path: &str) -> Result<Key, Status> {
    let parts: Vec<_> = path.split('/').skip(1).map(decode).collect();
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Status::unknown_resource()),
    };
    let (namespace, plural, name) = match rest {
        ["namespaces", namespace, plural] => (*namespace, *plural, ""),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
        [plural] => ("", *plural, ""),
        [plural, name] => ("", *plural, *name),
        _ => return Err(Status::unknown_resource()),
    };
    let resource = Resource::find(group, version, plural);
    let resource = resource.ok_or_else(Status::unknown_resource)?;
    let named_without_namespace = !name.is_empty() && namespace.is_empty();
    if named_without_namespace && resource.namespaced()
        || !namespace.is_empty() && !resource.namespaced()
    {
        return Err(Status::unknown_resource());
    }
    Ok(Key::new(resource, namespace, name))
}

fn verb(method: &Method, key: &Key, query: &Query) -> Result<Verb, Status> {
    let named = !key.name.is_empty();
    let verb = match *method {
        Method::GET if query.flag("watch") => Verb::Watch,
        Method::GET if named => Verb::Get,
        Method::GET => Verb::List,
        Method::POST if !named => Verb::Create,
        Method::PUT if named => Verb::Update,
        Method::PATCH if named => Verb::Patch,
        Method::DELETE if named => Verb::Delete,
        _ => return Err(Status::method_not_allowed()),
    };
    let homeless = key.resource.namespaced() && key.namespace.is_empty();
    if verb.changes() && (homeless || key.resource == Resource::Nodes) {
        return Err(Status::method_not_allowed());
    }
    Ok(verb)
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(&value.replace('+', " "))))
                .collect(),
        )
    }

    /// What a parameter says; one that is absent says nothing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "1" | "true" | "True")
    }

    /// A number; absent is `None`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Status> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |_| {
            Status::unclassified(format!(
                "{name}: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        };
        text.parse().map(Some).map_err(wrong)
    }
}

/// Resolves `%2F` and the like; what is no such sequence stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escaped.and_then(|digits| hex(*digits));
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let text = str::from_utf8(&digits).ok()?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_is_served() {
        for (method, path, query, expected) in [
            (
                Method::GET,
                "/apis/batch/v1/namespaces/stf/jobs/a",
                "",
                "Get jobs stf/a",
            ),
            (
                Method::GET,
                "/apis/batch/v1/jobs",
                "watch=true",
                "Watch jobs /",
            ),
            (Method::GET, "/api/v1/nodes/n1", "", "Get nodes /n1"),
            (
                Method::POST,
                "/api/v1/namespaces/stf/pods",
                "",
                "Create pods stf/",
            ),
            (
                Method::POST,
                "/apis/batch/v1/namespaces/stf/jobs/a",
                "",
                "405",
            ),
            (
                Method::DELETE,
                "/apis/batch/v1/namespaces/stf/jobs",
                "",
                "405",
            ),
            (Method::POST, "/api/v1/nodes", "", "405"),
            (
                Method::GET,
                "/apis/batch/v1/namespaces/stf/cronjobs",
                "",
                "404",
            ),
            (Method::GET, "/apis/batch/v1/jobs/a", "", "404"),
            (
                Method::GET,
                "/apis/temper.dev/v1alpha1/namespaces/stf/healingpolicies/a",
                "",
                "Get healingpolicies stf/a",
            ),
            (
                Method::GET,
                "/apis/temper.dev/v1/namespaces/stf/healingpolicies/a",
                "",
                "404",
            ),
            (
                Method::GET,
                "/apis/batch/v1/namespaces/stf/jobs/a/status",
                "",
                "404",
            ),
            (Method::GET, "/", "", "404"),
        ] {
            let told = match Request::parse(&method, path, query) {
                Ok(request) => format!("{:?} {}", request.verb, request.key),
                Err(status) => status.code.to_string(),
            };
            assert_eq!(told, expected, "{method} {path}?{query}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("labelSelector=a%20in+%28b%29&limit=3&odd=100%&limit2=x");
        assert_eq!(query.text("labelSelector"), "a in (b)");
        assert_eq!(query.number("limit").unwrap(), Some(3));
        assert_eq!(query.text("odd"), "100%");
        assert_eq!(query.number("none").unwrap(), None);
        assert_eq!(query.number("limit2").unwrap_err().code, 500);
    }
}

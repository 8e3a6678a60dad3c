//! What paths name: entities by id or endpoint key, certificates also by their SNIs, targets by their address.

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use crate::admin::access::{Access, by_id, place, with_port};
use crate::admin::call::Call;
use crate::admin::endpoint::{Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::{DbError, Entity, Place};
use crate::schema::is_uuid;

/// The place that a path's parameter means, and the SNI where that stands for a certificate.
pub(super) struct Named {
    /// Where the entity is or would be.
    pub(super) place: Place,
    /// The name of a certificate.
    pub(super) sni: Option<String>,
}

/// A path's parameter, decoded.
pub(super) fn parameter(matched: &Matched<'_>, index: usize) -> String {
    matched.parameters.get(index).map(|parameter| Call::decoded(parameter)).unwrap_or_default()
}

/// The place of the entity that the path's first parameter names.
///
/// # Errors
/// The answer to an SNI that no certificate has.
pub(super) async fn first(
    node: &dyn Node,
    access: &Access<'_>,
    kind: &str,
    call: &Call,
    matched: &Matched<'_>,
) -> Result<Named, Reply> {
    let text = parameter(matched, 0);
    if kind != "certificates" || is_uuid(&text) || !has_snis(matched) {
        return Ok(Named { place: place(node, kind, &text), sni: None });
    }
    let sni = access.select("snis", &place(node, "snis", &text)).await?;
    let certificate = sni.as_ref().and_then(|sni| sni.get("certificate")?.get("id")?.as_str());
    match certificate {
        Some(id) => Ok(Named { place: by_id(id), sni: Some(text) }),
        None if call.method == Method::PUT => {
            Ok(Named { place: by_id(&uuid::Uuid::new_v4().to_string()), sni: Some(text) })
        }
        None => Err(Reply::message(404, "SNI not found")),
    }
}

/// *Kong parity*: names stand for certificates in these paths only.
fn has_snis(matched: &Matched<'_>) -> bool {
    let pattern = matched.endpoint.pattern.strip_prefix("/certificates/:certificates");
    matches!(pattern, Some("" | "/snis" | "/snis/:snis"))
}

/// The entity that the path's first parameter names.
///
/// # Errors
/// The answer where it is not there.
pub(super) async fn found(
    node: &dyn Node,
    access: &Access<'_>,
    kind: &str,
    call: &Call,
    matched: &Matched<'_>,
) -> Result<Arc<Entity>, Reply> {
    let named = first(node, access, kind, call, matched).await?;
    access.select(kind, &named.place).await?.ok_or_else(Reply::not_found)
}

/// The entity that the path's second parameter names, below the one that its first names.
///
/// # Errors
/// The answer where either is not there or they do not belong together.
pub(super) async fn child(
    node: &dyn Node,
    access: &Access<'_>,
    relation: &Relation,
    call: &Call,
    matched: &Matched<'_>,
) -> Result<(Arc<Entity>, Arc<Entity>), Reply> {
    let parent = found(node, access, &relation.parent, call, matched).await?;
    let key = access.primary_key(&relation.parent, &parent);
    let name = parameter(matched, 1);
    let child = match relation.child.as_str() {
        "targets" if !is_uuid(&name) => target(access, &key, &name).await?,
        kind => access.select(kind, &place(node, kind, &name)).await?,
    };
    let belongs = |child: &Arc<Entity>| match child.get(&relation.field) {
        Some(Value::Object(foreign)) => key.iter().all(|(name, part)| foreign.get(name) == Some(part)),
        _ => false,
    };
    let child = child.filter(belongs).ok_or_else(Reply::not_found)?;
    Ok((parent, child))
}

/// The newest target of an upstream with this address, with or without the port.
async fn target(access: &Access<'_>, upstream: &Entity, name: &str) -> Result<Option<Arc<Entity>>, DbError> {
    let wanted = with_port(name);
    let targets = access.each_for("targets", "upstream", upstream).await?;
    let has_address =
        |target: &&Arc<Entity>| target.get("target").and_then(Value::as_str) == Some(wanted.as_str());
    Ok(targets.iter().filter(has_address).max_by(|a, b| super::pages::by_age(a, b)).cloned())
}

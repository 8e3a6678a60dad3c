//! Reads of entities: lists, single ones, those below others.

use std::sync::Arc;

use serde_json::{Value, json};

use super::keys;
use super::pages::{self, latest_targets};
use crate::admin::access::Access;
use crate::admin::call::Call;
use crate::admin::endpoint::{Action, Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::{DbError, Entity, PageRequest, Place};

/// Answers a read of an endpoint of entities.
pub(in crate::admin) async fn read(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Reply {
    let read = Read { node, access: Access::of(node), call, matched };
    let answer = match &matched.endpoint.action {
        Action::Collection(kind) => read.collection(kind).await,
        Action::Entity(kind) => read.entity(kind).await,
        Action::Children(relation) => read.children(relation).await,
        Action::Child(relation) => read.child(relation).await,
        Action::Parent(relation) => read.parent(relation).await,
        _ => Err(Reply::method_not_allowed()),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

struct Read<'a> {
    node: &'a dyn Node,
    access: Access<'a>,
    call: &'a Call,
    matched: &'a Matched<'a>,
}

impl Read<'_> {
    async fn collection(&self, kind: &str) -> Result<Reply, Reply> {
        let model = self.access.kind(kind).ok_or_else(Reply::not_found)?;
        if kind == "consumers"
            && let Some(custom_id) = self.call.arguments().get("custom_id")
        {
            return self.consumer_by_custom_id(custom_id).await;
        }
        let more = pages::repeated(self.call);
        let request = pages::request(self.call, model.has_tags)?;
        let page = self.access.page(kind, &request).await?;
        let mut rows = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            rows.push(self.shown(kind, row).await?);
        }
        Ok(pages::answer(rows, page.offset, &format!("/{}", model.path_name()), &more).into())
    }

    async fn entity(&self, kind: &str) -> Result<Reply, Reply> {
        let named = keys::first(self.node, &self.access, kind, self.call, self.matched).await?;
        match (self.access.select(kind, &named.place).await?, named.place) {
            (Some(entity), _) => Ok(Reply::json(200, self.shown(kind, &entity).await?)),
            (None, place) if kind == "certificates" => Err(place.not_found().into()),
            (None, _) => Err(Reply::not_found()),
        }
    }

    async fn children(&self, relation: &Relation) -> Result<Reply, Reply> {
        let Relation { child, field, parent } = relation;
        let above = keys::found(self.node, &self.access, parent, self.call, self.matched).await?;
        let key = self.access.primary_key(parent, &above);
        let (Some(model), Some(parent)) = (self.access.kind(child), self.access.kind(parent)) else {
            return Err(Reply::not_found());
        };
        let last = self.matched.endpoint.pattern.split('/').skip(3).collect::<Vec<_>>().join("/");
        let name = self.matched.parameters.first().map_or("", String::as_str);
        let path = format!("/{}/{name}/{last}", parent.path_name());
        let page = match last.as_str() {
            "targets" => {
                let request = pages::request(self.call, false)?;
                latest_targets(&self.access, &key, &request).await?
            }
            _ => {
                // a filter by tags is looked at and then left out
                let request = PageRequest { tags: None, ..pages::request(self.call, model.has_tags)? };
                self.access.page_for(child, field, &key, &request).await?
            }
        };
        let rows = page.rows.iter().map(|row| Value::Object(row.as_ref().clone())).collect();
        Ok(pages::answer(rows, page.offset, &path, "").into())
    }

    async fn child(&self, relation: &Relation) -> Result<Reply, Reply> {
        let (_, child) = keys::child(self.node, &self.access, relation, self.call, self.matched).await?;
        Ok(Reply::json(200, Value::Object(child.as_ref().clone())))
    }

    async fn parent(&self, relation: &Relation) -> Result<Reply, Reply> {
        let child = keys::found(self.node, &self.access, &relation.child, self.call, self.matched).await?;
        let Some(Value::Object(key)) = child.get(&relation.field) else { return Err(Reply::not_found()) };
        let parent = self.access.select(&relation.parent, &Place::Key(key.clone())).await?;
        let parent = parent.ok_or_else(Reply::not_found)?;
        Ok(Reply::json(200, Value::Object(parent.as_ref().clone())))
    }

    async fn consumer_by_custom_id(&self, custom_id: &Value) -> Result<Reply, Reply> {
        if custom_id.as_str().is_none_or(str::is_empty) {
            return Err(Reply::message(400, "custom_id must be an unempty string"));
        }
        let place = Place::Field("custom_id".to_owned(), custom_id.clone());
        let consumer = self.access.select("consumers", &place).await?;
        let data: Vec<Value> = consumer.iter().map(|row| Value::Object(row.as_ref().clone())).collect();
        Ok(Reply::json(200, json!({"data": data, "next": null})))
    }

    /// An entity as the API shows it: certificates with the names of their SNIs.
    async fn shown(&self, kind: &str, entity: &Arc<Entity>) -> Result<Value, DbError> {
        let mut shown = entity.as_ref().clone();
        if kind == "certificates" {
            let names = self.access.names_of_certificate(entity).await?;
            shown.insert("snis".to_owned(), Value::from(names));
        }
        Ok(Value::Object(shown))
    }
}

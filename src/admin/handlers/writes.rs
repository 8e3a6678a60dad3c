//! Writes of entities: new ones, changes, removals, below others too.

use http::Method;
use serde_json::{Map, Value};

use super::certificates;
use super::keys::{self, Named};
use crate::admin::access::{Access, by_id, place};
use crate::admin::arguments;
use crate::admin::call::Call;
use crate::admin::endpoint::{Action, Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::{DbError, Entity, Place};

/// Answers a write to an endpoint of entities.
pub(in crate::admin) async fn write(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Reply {
    let write = Write { node, access: Access::of(node), call, matched };
    let answer = match &matched.endpoint.action {
        Action::Collection(kind) => write.add(kind).await,
        Action::Entity(kind) => write.entity(kind).await,
        Action::Children(relation) => write.add_below(relation).await,
        Action::Child(relation) if relation.child == "targets" => write.target(relation).await,
        Action::Child(relation) => write.child(relation).await,
        Action::Parent(relation) => write.parent(relation).await,
        Action::Tags | Action::Tag => Err(tags_are_not_written().into()),
        _ => Err(Reply::method_not_allowed()),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

fn tags_are_not_written() -> DbError {
    let message = "does not support insert/upsert/update/delete operations";
    DbError::schema_violation(Map::from_iter([("tags".to_owned(), Value::from(message))]))
}

/// A write on its way to the database.
struct Write<'a> {
    node: &'a dyn Node,
    access: Access<'a>,
    call: &'a Call,
    matched: &'a Matched<'a>,
}

/// What is to be written: fields, and how long the entity is to live.
struct Body {
    entity: Entity,
    ttl: Option<f64>,
}

impl Write<'_> {
    async fn add(&self, kind: &str) -> Result<Reply, Reply> {
        let Body { entity, ttl } = self.body(kind)?;
        created(self.access.insert(kind, entity, ttl).await)
    }

    async fn add_below(&self, relation: &Relation) -> Result<Reply, Reply> {
        let parent = keys::found(self.node, &self.access, &relation.parent, self.call, self.matched).await?;
        let Body { mut entity, ttl } = self.body(&relation.child)?;
        entity.insert(relation.field.clone(), self.key(&relation.parent, &parent));
        created(self.access.insert(&relation.child, entity, ttl).await)
    }

    async fn entity(&self, kind: &str) -> Result<Reply, Reply> {
        let named = keys::first(self.node, &self.access, kind, self.call, self.matched).await?;
        match self.call.method {
            Method::DELETE => self.delete(kind, &named.place).await,
            Method::PATCH => self.update(kind, &named, None).await,
            _ => {
                let Body { mut entity, ttl } = self.body(kind)?;
                if kind == "certificates" {
                    certificates::complete_names(&mut entity, named.sni.as_deref(), true);
                }
                done(self.access.upsert(kind, &named.place, entity, ttl).await)
            }
        }
    }

    /// An entity below another. What is put there may be new; the rest must be there and belong to the other one.
    async fn child(&self, relation: &Relation) -> Result<Reply, Reply> {
        let at = place(self.node, &relation.child, &keys::parameter(self.matched, 1));
        if self.call.method == Method::PUT {
            let parent =
                keys::found(self.node, &self.access, &relation.parent, self.call, self.matched).await?;
            let Body { mut entity, ttl } = self.body(&relation.child)?;
            entity.insert(relation.field.clone(), self.key(&relation.parent, &parent));
            return done(self.access.upsert(&relation.child, &at, entity, ttl).await);
        }
        let (parent, _) = keys::child(self.node, &self.access, relation, self.call, self.matched).await?;
        if self.call.method == Method::DELETE {
            return self.delete(&relation.child, &at).await;
        }
        let foreign = (relation.field.as_str(), self.key(&relation.parent, &parent));
        self.update(&relation.child, &Named { place: at, sni: None }, Some(foreign)).await
    }

    /// *Kong parity*: a target is changed by PUT as it is by PATCH.
    async fn target(&self, relation: &Relation) -> Result<Reply, Reply> {
        let (_, target) = keys::child(self.node, &self.access, relation, self.call, self.matched).await?;
        let at = by_id(target.get("id").and_then(Value::as_str).unwrap_or_default());
        match self.call.method {
            Method::DELETE => self.delete(&relation.child, &at).await,
            _ => self.update(&relation.child, &Named { place: at, sni: None }, None).await,
        }
    }

    /// The entity that one points to. What is put there becomes what it points to.
    async fn parent(&self, relation: &Relation) -> Result<Reply, Reply> {
        let Relation { child, field, parent } = relation;
        let entity = keys::found(self.node, &self.access, child, self.call, self.matched).await?;
        let key = entity.get(field).and_then(Value::as_object).cloned();
        match (key, &self.call.method) {
            (Some(_), &Method::DELETE) => Err(Reply::method_not_allowed()),
            (Some(key), &Method::PATCH) => {
                self.update(parent, &Named { place: Place::Key(key), sni: None }, None).await
            }
            (None, &Method::DELETE | &Method::PATCH) => Err(Reply::not_found()),
            (Some(key), _) => {
                let Body { entity: body, ttl } = self.body(parent)?;
                done(self.access.upsert(parent, &Place::Key(key), body, ttl).await)
            }
            (None, _) => {
                let Body { entity: body, ttl } = self.body(parent)?;
                done(self.access.insert_above(relation, &entity, body, ttl).await)
            }
        }
    }

    async fn delete(&self, kind: &str, at: &Place) -> Result<Reply, Reply> {
        self.access.delete(kind, at).await?;
        Ok(Reply::empty(204))
    }

    /// Changes the entity at a place; a foreign key is given to it unless the body says another one.
    async fn update(
        &self,
        kind: &str,
        named: &Named,
        foreign: Option<(&str, Value)>,
    ) -> Result<Reply, Reply> {
        let mut entity = arguments::body(self.call)?;
        if kind == "plugins" && !entity.contains_key("name") {
            // Without the name nobody knows what the configuration is to look like.
            let known = self.access.select(kind, &named.place).await?.ok_or_else(Reply::not_found)?;
            entity.insert("name".to_owned(), known.get("name").cloned().unwrap_or_default());
        }
        let Body { mut entity, ttl } = self.typed(kind, entity)?;
        if kind == "certificates" {
            certificates::complete_names(&mut entity, named.sni.as_deref(), false);
        }
        if let Some((field, key)) = foreign {
            entity.entry(field).or_insert(key);
        }
        done(self.access.update(kind, &named.place, entity, ttl).await)
    }

    fn body(&self, kind: &str) -> Result<Body, Reply> {
        self.typed(kind, arguments::body(self.call)?)
    }

    /// Gives the text of a form its types, and takes out how long the entity is to live.
    fn typed(&self, kind: &str, mut entity: Entity) -> Result<Body, Reply> {
        let Some(schema) = self.node.registry().named(kind) else { return Err(Reply::not_found()) };
        if arguments::is_form(self.call) {
            arguments::infer(&mut entity, &schema);
        }
        let ttl = match entity.get("ttl").filter(|ttl| schema.ttl && !ttl.is_null()) {
            None => None,
            Some(ttl) => Some(ttl.as_f64().ok_or_else(ttl_is_no_number)?),
        };
        if schema.ttl {
            entity.shift_remove("ttl");
        }
        Ok(Body { entity, ttl })
    }

    fn key(&self, kind: &str, entity: &Entity) -> Value {
        Value::Object(self.access.primary_key(kind, entity))
    }
}

fn ttl_is_no_number() -> Reply {
    let message = "must be an integer between 0 and 100000000";
    DbError::invalid_options(Map::from_iter([("ttl".to_owned(), Value::from(message))])).into()
}

fn created(written: Result<Entity, DbError>) -> Result<Reply, Reply> {
    Ok(Reply::json(201, Value::Object(written?)))
}

fn done(written: Result<Entity, DbError>) -> Result<Reply, Reply> {
    Ok(Reply::json(200, Value::Object(written?)))
}

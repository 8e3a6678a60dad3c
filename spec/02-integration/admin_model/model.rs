//! What the answers have to be, from the calls alone: rows in lists, looked through from end to end.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::calls::{Entity, Meaning, Verb};
use super::kinds::{KINDS, Kind, Relation};
use super::node::{Answer, Node, as_set, comparable, sorted};

/// The rows of all kinds, as the first node shows them.
pub struct Model {
    kinds: Vec<&'static Kind>,
    rows: HashMap<&'static str, Vec<Value>>,
}

/// What is known of an answer before it comes.
#[derive(Debug)]
pub enum Expected {
    /// One of these.
    Status(&'static [u16]),
    /// This status, and a body that has these fields among others.
    With(u16, Entity),
    /// 200 with this body.
    Is(Value),
    /// These rows on all pages together.
    Rows(Vec<Value>),
}

const REFUSED: &[u16] = &[400, 409];

impl Model {
    /// Without rows.
    pub fn new(kinds: Vec<&'static Kind>) -> Model {
        Model { kinds, rows: HashMap::new() }
    }

    fn of(&self, kind: &str) -> &[Value] {
        self.rows.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The row that a path's segment or a foreign key means.
    fn find(&self, kind: &Kind, text: &str) -> Option<&Value> {
        let by_key = |row: &&Value| kind.key.is_some_and(|key| row[key] == text);
        self.of(kind.name).iter().find(|row| row["id"] == text || by_key(row))
    }

    fn parent(
        &self,
        above: &Option<(&'static Relation, String)>,
    ) -> Result<Option<(&'static str, String)>, Expected> {
        let Some((relation, text)) = above else { return Ok(None) };
        let row = self.find(Kind::named(relation.parent), text).ok_or(Expected::Status(&[404]))?;
        Ok(Some((relation.field, row["id"].as_str().unwrap_or_default().to_owned())))
    }

    /// The row that a call is about, if it belongs to the one that the path goes through.
    fn addressed(&self, meaning: &Meaning) -> Result<Option<&Value>, Expected> {
        let parent = self.parent(&meaning.above)?;
        let row = self.find(meaning.kind, &meaning.key);
        Ok(row.filter(|row| parent.as_ref().is_none_or(|(field, id)| row[field]["id"] == *id)))
    }

    /// What the answer has to be; none where the model does not know.
    pub fn expected(&self, meaning: &Meaning) -> Option<Expected> {
        if !meaning.is_certain {
            return None;
        }
        let expected = match meaning.verb {
            Verb::Add => self.add(meaning),
            Verb::Put if meaning.kind.name == "targets" => self.patch(meaning),
            Verb::Put => self.put(meaning),
            Verb::Patch => self.patch(meaning),
            Verb::Delete => self.delete(meaning),
            Verb::Get => self.addressed(meaning).map(|row| match row {
                Some(row) => Expected::Is(self.shown(meaning.kind, row)),
                None => Expected::Status(&[404]),
            }),
            Verb::List => self.list(meaning),
            Verb::GetAbove => Ok(self.above(meaning)),
            Verb::PutAbove | Verb::Other => return None,
        };
        Some(expected.unwrap_or_else(|refusal| refusal))
    }

    fn add(&self, meaning: &Meaning) -> Result<Expected, Expected> {
        let parent = self.parent(&meaning.above)?;
        let mut entity = meaning.entity.clone();
        entity.extend(parent.map(|(field, id)| (field.to_owned(), json!({"id": id}))));
        Ok(match self.resolved(meaning.kind, entity) {
            Some(entity) if self.is_free(meaning.kind, &entity, None) => {
                Expected::With(201, shown_fields(meaning.kind, entity))
            }
            _ => Expected::Status(REFUSED),
        })
    }

    fn put(&self, meaning: &Meaning) -> Result<Expected, Expected> {
        let parent = self.parent(&meaning.above)?;
        let known = self.find(meaning.kind, &meaning.key);
        let mut entity = meaning.entity.clone();
        entity.extend(parent.map(|(field, id)| (field.to_owned(), json!({"id": id}))));
        let is_id = meaning.key.starts_with("a00");
        let field = if is_id { "id" } else { meaning.kind.key.unwrap_or("id") };
        entity.insert(field.to_owned(), meaning.key.clone().into());
        if let Some(known) = known {
            entity.insert("id".to_owned(), known["id"].clone());
        }
        let own = known.and_then(|row| row["id"].as_str());
        Ok(match self.resolved(meaning.kind, entity) {
            Some(entity) if self.is_free(meaning.kind, &entity, own) => {
                Expected::With(200, shown_fields(meaning.kind, entity))
            }
            _ => Expected::Status(REFUSED),
        })
    }

    fn patch(&self, meaning: &Meaning) -> Result<Expected, Expected> {
        let Some(known) = self.addressed(meaning)? else { return Ok(Expected::Status(&[404])) };
        let own = known["id"].as_str();
        let mut entity = known.as_object().cloned().unwrap_or_default();
        let Some(changes) = self.resolved(meaning.kind, meaning.entity.clone()) else {
            return Ok(Expected::Status(REFUSED));
        };
        for (given, computed) in [("password", "password"), ("cert", "cert_digest")] {
            if changes.contains_key(given) {
                entity.shift_remove(computed);
            }
        }
        entity.extend(changes);
        Ok(match self.is_free(meaning.kind, &entity, own) {
            true => Expected::With(200, shown_fields(meaning.kind, entity)),
            false => Expected::Status(REFUSED),
        })
    }

    fn delete(&self, meaning: &Meaning) -> Result<Expected, Expected> {
        let row = self.addressed(meaning)?;
        Ok(match row {
            None if meaning.above.is_some() => Expected::Status(&[404]),
            Some(row) if !self.is_removable(meaning.kind, row) => Expected::Status(&[400]),
            _ => Expected::Status(&[204]),
        })
    }

    fn list(&self, meaning: &Meaning) -> Result<Expected, Expected> {
        let parent = self.parent(&meaning.above)?;
        let is_listed = |row: &&Value| {
            let has_tag = |tag: &String| {
                row["tags"].as_array().is_some_and(|tags| tags.contains(&Value::from(tag.as_str())))
            };
            parent.as_ref().is_none_or(|(field, id)| row[field]["id"] == *id)
                && meaning.tag.as_ref().is_none_or(has_tag)
        };
        let rows = self.of(meaning.kind.name).iter().filter(is_listed);
        Ok(Expected::Rows(rows.map(|row| self.shown(meaning.kind, row)).collect()))
    }

    fn above(&self, meaning: &Meaning) -> Expected {
        let Some((relation, _)) = &meaning.above else { return Expected::Status(&[404]) };
        let row = self.find(meaning.kind, &meaning.key);
        let id = row.and_then(|row| row[relation.field]["id"].as_str());
        let parent = id.and_then(|id| self.find(Kind::named(relation.parent), id));
        parent.map_or(Expected::Status(&[404]), |parent| match parent.as_object() {
            Some(fields) if relation.parent == "certificates" => Expected::With(200, fields.clone()),
            _ => Expected::Is(parent.clone()),
        })
    }

    /// The entity with foreign keys by id; none if one leads nowhere.
    fn resolved(&self, kind: &Kind, mut entity: Entity) -> Option<Entity> {
        for relation in kind.above {
            let Some(key) = entity.get(relation.field).and_then(Value::as_object) else { continue };
            let text = key.values().next()?.as_str()?;
            let id = self.find(Kind::named(relation.parent), text)?["id"].clone();
            entity.insert(relation.field.to_owned(), json!({"id": id}));
        }
        Some(entity)
    }

    /// Whether nothing that is unique is in use by a row other than `own`.
    fn is_free(&self, kind: &Kind, entity: &Entity, own: Option<&str>) -> bool {
        let value = |field: &str| entity.get(field).cloned().unwrap_or_default();
        let clashes = |row: &&Value| {
            let is_same = |field: &&str| !value(field).is_null() && row[*field] == value(field);
            let are_same = |field: &&str| row[*field] == value(field);
            row["id"] == value("id")
                || kind.unique.iter().any(is_same)
                || !kind.together.is_empty() && kind.together.iter().all(are_same)
        };
        let others = self.of(kind.name).iter().filter(|row| own.is_none_or(|own| row["id"] != own));
        let is_row_free = !others.clone().any(|row| clashes(&row));
        let names = entity.get("snis").and_then(Value::as_array).into_iter().flatten();
        let is_taken = |name: &Value| {
            let mut snis = self.of("snis").iter();
            snis.any(|sni| sni["name"] == *name && own.is_none_or(|own| sni["certificate"]["id"] != own))
        };
        is_row_free && (kind.name != "certificates" || !names.into_iter().any(is_taken))
    }

    fn below<'a>(
        &'a self,
        kind: &'a Kind,
        row: &'a Value,
    ) -> impl Iterator<Item = (&'static Kind, &'static Relation, &'a Value)> {
        KINDS.iter().flat_map(move |child| {
            let relations = child.above.iter().filter(|relation| relation.parent == kind.name);
            relations.flat_map(move |relation| {
                let rows =
                    self.of(child.name).iter().filter(|other| other[relation.field]["id"] == row["id"]);
                rows.map(move |other| (child, relation, other))
            })
        })
    }

    fn is_removable(&self, kind: &Kind, row: &Value) -> bool {
        self.below(kind, row)
            .all(|(child, relation, other)| relation.cascades && self.is_removable(child, other))
    }

    /// A row as the API shows it: certificates with their names.
    fn shown(&self, kind: &Kind, row: &Value) -> Value {
        let mut shown = row.clone();
        if kind.name == "certificates" {
            let names = self.of("snis").iter().filter(|sni| sni["certificate"]["id"] == row["id"]);
            let mut names: Vec<&str> = names.filter_map(|sni| sni["name"].as_str()).collect();
            names.sort_unstable();
            shown["snis"] = json!(names);
        }
        shown
    }

    // ---- what the first node answered ----------------------------------------------------------

    /// Takes over what an answer says has changed.
    ///
    /// # Errors
    /// The node does not show its rows.
    pub fn learn(&mut self, meaning: &Meaning, answer: &Answer, node: &mut Node) -> Result<(), String> {
        let is_write = !matches!(meaning.verb, Verb::Get | Verb::List | Verb::GetAbove | Verb::Other);
        if !is_write || answer.status >= 300 {
            return Ok(());
        }
        if !meaning.is_certain {
            return self.reload(node);
        }
        match meaning.verb {
            Verb::Delete => {
                if let Some(row) = self.find(meaning.kind, &meaning.key).cloned() {
                    self.remove(meaning.kind, &row);
                }
            }
            _ => {
                let rows = self.rows.entry(meaning.kind.name).or_default();
                rows.retain(|row| row["id"] != answer.body["id"]);
                rows.push(kept(&answer.body, meaning.kind));
            }
        }
        if meaning.kind.name == "certificates" {
            self.load(Kind::named("snis"), node)?;
        }
        Ok(())
    }

    /// Takes over all that a node shows.
    ///
    /// # Errors
    /// It does not show its rows.
    pub fn reload(&mut self, node: &mut Node) -> Result<(), String> {
        self.kinds.clone().into_iter().try_for_each(|kind| self.load(kind, node))
    }

    fn load(&mut self, kind: &'static Kind, node: &mut Node) -> Result<(), String> {
        let rows = node.rows(kind)?.iter().map(|row| kept(row, kind)).collect();
        self.rows.insert(kind.name, rows);
        Ok(())
    }

    fn remove(&mut self, kind: &Kind, row: &Value) {
        let below: Vec<(&Kind, Value)> =
            self.below(kind, row).map(|(child, _, row)| (child, row.clone())).collect();
        for (child, row) in below {
            self.remove(child, &row);
        }
        if let Some(rows) = self.rows.get_mut(kind.name) {
            rows.retain(|other| other["id"] != row["id"]);
        }
    }

    /// What the model has that a node has not, or the other way round.
    pub fn difference(&self, kind: &Kind, rows: &[Value]) -> Option<String> {
        let own: Vec<Value> = self.of(kind.name).iter().map(|row| self.shown(kind, row)).collect();
        let (own, others) = (as_set(&own), as_set(rows));
        (own != others).then(|| {
            let only = |a: &std::collections::BTreeSet<String>, b: &std::collections::BTreeSet<String>| {
                a.difference(b).cloned().collect::<Vec<_>>().join("\n  ")
            };
            format!(
                "{}: only expected:\n  {}\nonly there:\n  {}",
                kind.name,
                only(&own, &others),
                only(&others, &own)
            )
        })
    }
}

/// A row as it is kept.
fn kept(row: &Value, kind: &Kind) -> Value {
    let mut row = row.clone();
    if let (Some(fields), "certificates") = (row.as_object_mut(), kind.name) {
        fields.shift_remove("snis");
    }
    row
}

/// What of a body is to be found in the answer.
fn shown_fields(kind: &Kind, mut entity: Entity) -> Entity {
    for hidden in ["password", "url", "updated_at"] {
        entity.shift_remove(hidden);
    }
    if kind.name == "certificates" {
        entity.shift_remove("snis");
    }
    entity
}

/// Whether a value has all of another one's fields; lists have to be the same.
pub fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(fields), Value::Object(parts)) => {
            parts.iter().all(|(name, part)| fields.get(name).is_some_and(|value| contains(value, part)))
        }
        (value, part) => sorted(&comparable(value)) == sorted(&comparable(part)),
    }
}

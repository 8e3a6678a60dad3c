//! The order in which entities can be written: each after those it refers to.

use std::collections::HashSet;
use std::rc::Rc;

use super::CORE_ENTITIES;
use crate::schema::Schema;

/// Sorts schemas so that each comes after those it refers to.
///
/// Where references leave a choice, workspaces come first, then core entities, then others, by name. Foreign
/// schemas are resolved when a schema is added, so there are no cycles.
pub fn sort(schemas: &[Rc<Schema>]) -> Vec<Rc<Schema>> {
    let mut by_name: Vec<&Rc<Schema>> = schemas.iter().collect();
    by_name.sort_by(|left, right| (rank(left), &left.name).cmp(&(rank(right), &right.name)));
    let mut sorted = Vec::with_capacity(schemas.len());
    let mut seen = HashSet::new();
    for schema in &by_name {
        visit(schema, &by_name, &mut seen, &mut sorted);
    }
    sorted
}

fn visit(schema: &Rc<Schema>, all: &[&Rc<Schema>], seen: &mut HashSet<String>, sorted: &mut Vec<Rc<Schema>>) {
    if !seen.insert(schema.name.clone()) {
        return;
    }
    let targets: Vec<&str> = schema.foreign_fields().map(|(_, foreign)| foreign.reference.as_str()).collect();
    for target in all.iter().filter(|target| targets.contains(&target.name.as_str())) {
        visit(target, all, seen, sorted);
    }
    sorted.push(Rc::clone(schema));
}

fn rank(schema: &Schema) -> u8 {
    match schema.name.as_str() {
        "workspaces" => 0,
        name if CORE_ENTITIES.contains(&name) => 1,
        _ => 2,
    }
}

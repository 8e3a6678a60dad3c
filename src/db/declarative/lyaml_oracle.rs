//! Comparison with the reader that Kong uses, over generated documents.
//!
//! Runs Debian's `lua5.1` with `lua-yaml` and `lua-cjson`, which `scripts/packages test` installs.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::yaml;

const READER: &str = r#"
local lyaml, cjson = require "lyaml", require "cjson"
cjson.encode_sparse_array(true, 1, 0)
local function plain(node)
  if node == lyaml.null then return cjson.null end
  if type(node) ~= "table" then
    if node ~= node or node == 1/0 or node == -1/0 then error("not finite") end
    return node
  end
  local copy = {}
  for key, item in pairs(node) do
    if type(key) == "table" then error("collection as key") end
    copy[#node > 0 and key or tostring(key)] = plain(item)
  end
  return copy
end
for document in io.read("*a"):gmatch("(.-)%z") do
  local ok, result = pcall(function() return plain(lyaml.load(document)) end)
  local line = ok and cjson.encode({ result }) or cjson.encode({ error = tostring(result) })
  print(line)
end
"#;

fn oracle(documents: &[String]) -> Vec<Value> {
    let mut lua = Command::new("lua5.1")
        .args(["-e", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("lua5.1: {error}; run `scripts/packages test`"));
    let mut input = lua.stdin.take().unwrap();
    let text: String = documents.iter().map(|document| format!("{document}\0")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = lua.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}; run `scripts/packages test`");
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Equal as Lua tables are: an empty collection has no kind, a number is a double.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Object(b)) => a.is_empty() && b.is_empty(),
        (Value::Object(a), Value::Array(b)) => a.is_empty() && b.is_empty(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * 1e-12
        }
        _ => ours == theirs,
    }
}

/// Compares results and, with `messages`, the texts of errors.
fn compare(documents: &[String], messages: bool) -> Vec<String> {
    let results = oracle(documents);
    assert_eq!(results.len(), documents.len());
    let mut differences = Vec::new();
    for (document, theirs) in documents.iter().zip(&results) {
        if theirs["error"].as_str().is_some_and(|error| error.contains("perform arithmetic")) {
            continue; // lyaml fails on its own digits: `01_`
        }
        let agrees = match (yaml::load(document), theirs.get("error")) {
            (Ok(ours), None) => same(&json!([ours]), theirs) || (ours.is_none() && same(&json!([]), theirs)),
            (Err(ours), Some(error)) => !messages || *error == ours.to_string(),
            _ => false,
        };
        if !agrees {
            let ours = yaml::load(document).map_err(|error| error.to_string());
            differences.push(format!("{document:?}\n   ours: {ours:?}\n  lyaml: {theirs}"));
        }
    }
    differences
}

#[test]
fn scalars_resolve_as_in_lyaml() {
    const ALPHABET: &[&str] = &[
        "0", "1", "2", "7", "8", "9", "_", ":", ".", "e", "E", "x", "b", "a", "F", "+", "-", "00", "0x",
        "0b", "1:", ":30", "inf", "nan", "n", "y", "es", "no", "on", "off", "true", "~", "null", "T",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    let documents: Vec<String> = (0..200_000)
        .map(|_| {
            let length = random.usize(1..7);
            let text: String = (0..length).map(|_| *random.choice(ALPHABET).unwrap()).collect();
            let tag =
                *random.choice(&["", "", "", "", "!!int ", "!!float ", "!!bool ", "!!str ", "!x "]).unwrap();
            format!("a: {tag}{text}\n")
        })
        .collect();
    let differences = compare(&documents, false);
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences[..differences.len().min(25)].join("\n")
    );
}

#[test]
fn structures_read_as_in_lyaml() {
    const PIECES: &[&str] = &[
        "a",
        "b: ",
        "c:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'x'",
        "\"y\"",
        "&a ",
        "*a",
        "<<: ",
        "|\n  ",
        ">\n  ",
        " # z",
        " ",
        "services:\n",
        "- name: x\n",
        "  host: y\n",
        "? ",
        "yes",
        "010",
        "---\n",
        "http://h:80/p",
        "!!str ",
        "\\",
    ];
    let mut random = fastrand::Rng::with_seed(12);
    let documents: Vec<String> = (0..100_000)
        .map(|_| (0..random.usize(1..12)).map(|_| *random.choice(PIECES).unwrap()).collect())
        .collect();
    let mut differences = compare(&documents, false);
    differences.retain(|difference| !is_known(difference));
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n")
    );
}

/// What the YAML 1.2 parser underneath does otherwise, and JSON cannot hold.
fn is_known(difference: &str) -> bool {
    let block_at_the_left_edge = difference.contains("could not find expected ':'")
        || difference.contains("wrongly indented line in block scalar");
    let block_in_flow = difference.contains("found character that cannot start any token");
    let colon_in_flow = difference.contains("found unexpected ':'");
    let multiline_key_in_flow = difference.contains("did not find expected ',' or '}'");
    let merge_of_a_list = difference.contains("invalid '<<' sequence element");
    let cut_off_in_blanks = difference.lines().next().is_some_and(|text| text.ends_with(" \""));
    let collection_as_key = difference.contains("a mapping key must be");
    block_at_the_left_edge
        || merge_of_a_list
        || cut_off_in_blanks
        || multiline_key_in_flow
        || block_in_flow
        || colon_in_flow
        || collection_as_key
}

#[test]
fn messages_read_as_in_lyaml() {
    let documents: Vec<String> = [
        "a: b\n  c: d\n",
        "a: {x: 1\n",
        "a: 'x\n",
        "a: \"x\n",
        "a:\n\tb: c\n",
        "a: *x\n",
        "a: b: c\n",
        "- a\nb: c\n",
        "a: &x\n  - 1\n b: 2\n",
        "a: @x\n",
        "a: `x\n",
        "a: %x\n",
        "a\nb: c\n",
        "a: !!int x\n",
        "a: 1\n---\nb: [\n",
        "a: \"\\q\"\n",
        "<<: 3\n",
        "<<: [1]\n",
        "a: b\n- c\n",
        "services:\n- name: x\n host: y\n",
        "a: [a b] c\n",
        "a: ]\n",
        "a: - b\n",
        "a: !x!y z\n",
        "a: \u{1}\n",
        "a:\n  - b\n - c\n",
        "a: [,]\n",
        "a: {,}\n",
        "a: |\n\tx\n",
        "a: |x\n b\n",
        "a: *x y\n",
        "a: &b &c d\n",
        "a:\n  b\n  c: d\n",
        "? a\n? b\n",
        "a: {b: }\n",
        "a: [b: c]\n",
        "{a:b}",
        "[a:b]",
        "[a, b:c]",
        "a: b\t\nc:\td\n",
        "a: \"x\\/y\"\n",
        "a: ! 5\n",
        "!!merge x: {b: c}\n",
        "80: x\non: y\n",
        "a: &x 1\nb: *x\n*x : c\n",
        "a: ?x\nb: -x\nc: :x\n",
        "a: {b: http://x}\n",
        "---\n---\n",
        "a: b\r\nc: d\r\n",
        "\u{feff}a: b\n",
        "a: >-\n  x\n  y\n\n  z\n",
        "a: |+\n  x\n\n\nb: c\n",
        "a:\n- b\n -c\n",
        "%YAML 1.2\n---\na: b\n",
    ]
    .map(str::to_owned)
    .to_vec();
    let differences = compare(&documents, true);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

//! What most engines write alike.

/// Fits arguments into a form: `{0}` is the first.
pub(super) fn fill(form: &str, arguments: &[String]) -> String {
    let mut text = form.to_owned();
    for (index, argument) in arguments.iter().enumerate() {
        text = text.replace(&format!("{{{index}}}"), argument);
    }
    text
}

/// The path of a JSON value in the way that most engines take: `$."cart"."items"`, in quotes.
pub(super) fn path(names: &[String]) -> String {
    let mut path = String::from("'$");
    for name in names {
        // why: a name with a quote or a backslash cannot be written alike everywhere, and matches nothing
        let name: String =
            name.chars().filter(|letter| !letter.is_control() && !matches!(letter, '"' | '\\')).collect();
        path.push_str(&format!(".\"{}\"", name.replace('\'', "''")));
    }
    path.push('\'');
    path
}

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let form = match name {
        "materialized" => "MATERIALIZED",
        // why: of a common table that all events go into
        "scanned" => "",
        "idiv" => "(({0}) / ({1}))",
        "binary" => "{0}",
        "least" => "least({0}, {1})",
        "text" => "CAST({0} AS VARCHAR)",
        "number" => "{0}",
        "integer" => "BIGINT",
        "double" => "CAST({0} AS DOUBLE)",
        "sum" => "sum({0})",
        "abs" => "abs({0})",
        "count_if" => "sum(CASE WHEN {0} THEN 1 ELSE 0 END)",
        "settings" => "",
        "sum_of_products" => "sum(CAST({0} AS DECIMAL(38, 0)) * ({1}))",
        "reach" => "CAST(ceil(12 * sqrt({0}) / 1000) AS BIGINT)",
        "lateral" => "CROSS JOIN",
        "many" => "",
        // why: engines write JSON as a text in ways of their own, if at all
        "then" => "",
        "spelled" => {
            "(CASE WHEN regexp_like({0}, '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$') THEN CAST({0} AS DOUBLE) END)"
        }
        // why: sums pass 64 bits, and clients make doubles of numbers
        "row" => {
            "what, dimension, part, variant, CAST(a AS VARCHAR) AS a, CAST(b AS VARCHAR) AS b, CAST(c AS VARCHAR) AS c, \
CAST(e AS VARCHAR) AS e, CAST(f AS VARCHAR) AS f, CAST(g AS VARCHAR) AS g, CAST(h AS VARCHAR) AS h, CAST(i AS VARCHAR) AS i, \
CAST(j AS VARCHAR) AS j, CAST(k AS VARCHAR) AS k, CAST(l AS VARCHAR) AS l, CAST(m AS VARCHAR) AS m"
        }
        "dimensions" => {
            let name = arguments.first()?;
            let rows: Vec<String> = arguments.iter().skip(1).map(|one| format!("({one})")).collect();
            return Some(format!("(VALUES {}) AS {name}(dimension)", rows.join(", ")));
        }
        _ => return None,
    };
    Some(fill(form, arguments))
}

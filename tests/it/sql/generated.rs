//! Statements from a seed.

use fastrand::Rng;

/// A table with some of its columns.
struct Table {
    name: &'static str,
    /// Columns of text, with values that some rows have.
    texts: &'static [(&'static str, &'static [&'static str])],
    /// Columns of numbers.
    numbers: &'static [&'static str],
    /// Columns of times.
    times: &'static [&'static str],
    /// Columns by which rows can be told apart, together.
    key: &'static [&'static str],
}

const REGION: (&str, &[&str]) = ("region", &["us-east-1", "eu-west-1"]);
const ACCOUNT: (&str, &[&str]) = ("account", &["123456789012", "210987654321"]);
const STATE: (&str, &[&str]) = ("state", &["running", "stopped", "in-use", "available"]);

const TABLES: [Table; 12] = [
    Table {
        name: "instance",
        texts: &[
            ("id", &["i-0"]),
            ("name", &["web-1", "db-2", "api-3"]),
            STATE,
            ("instance_type", &["t3.micro", "m5.large", "c5.xlarge"]),
            ("vpc_id", &["vpc-0"]),
            ("subnet_id", &["subnet-0"]),
            ("architecture", &["x86_64", "arm64"]),
            ("availability_zone", &["us-east-1a", "us-east-1b"]),
            REGION,
        ],
        numbers: &[],
        times: &["launch_time"],
        key: &["id"],
    },
    Table {
        name: "volume",
        texts: &[("id", &["vol-0"]), STATE, ("volume_type", &["gp3", "io1"]), ("name", &["web-1"]), REGION],
        numbers: &["size", "encrypted"],
        times: &["create_time"],
        key: &["id"],
    },
    Table {
        name: "vpc",
        texts: &[("id", &["vpc-0"]), ("cidr", &["10.0.0.0/16"]), STATE, REGION],
        numbers: &["is_default"],
        times: &[],
        key: &["id"],
    },
    Table {
        name: "subnet",
        texts: &[("id", &["subnet-0"]), ("vpc_id", &["vpc-0"]), ("availability_zone", &["us-east-1a"]), ACCOUNT],
        numbers: &["available_ip_address_count", "default_for_az"],
        times: &[],
        key: &["id"],
    },
    Table {
        name: "security_group",
        texts: &[("id", &["sg-0"]), ("group_name", &["default", "web"]), ("vpc_id", &["vpc-0"]), REGION],
        numbers: &[],
        times: &[],
        key: &["id"],
    },
    Table {
        name: "tag",
        texts: &[
            ("kind", &["instance", "security_group", "volume"]),
            ("id", &["i-0"]),
            ("key", &["Name", "team", "env", "Team"]),
            ("value", &["web", "prod"]),
            REGION,
        ],
        numbers: &[],
        times: &[],
        key: &["kind", "id", "key"],
    },
    Table {
        name: "instance_volume",
        texts: &[("instance_id", &["i-0"]), ("volume_id", &["vol-0"]), ("device", &["/dev/xvda", "/dev/sda1"]), REGION],
        numbers: &["delete_on_termination"],
        times: &["attach_time"],
        key: &["instance_id", "volume_id"],
    },
    Table {
        name: "instance_security_group",
        texts: &[("instance_id", &["i-0"]), ("group_id", &["sg-0"]), ACCOUNT],
        numbers: &[],
        times: &[],
        key: &["instance_id", "group_id"],
    },
    Table {
        name: "instance_health",
        texts: &[
            ("instance_id", &["i-0"]),
            STATE,
            ("verdict", &["ok", "not-applicable", "impaired"]),
            ("system_status", &["ok", "not-applicable"]),
            ACCOUNT,
        ],
        numbers: &[],
        times: &[],
        key: &["instance_id"],
    },
    Table {
        name: "security_group_rule",
        texts: &[
            ("group_id", &["sg-0"]),
            ("protocol", &["tcp", "-1"]),
            ("cidr_ipv4", &["0.0.0.0/0"]),
            ("group_name", &["web"]),
        ],
        numbers: &["from_port", "to_port", "is_egress"],
        times: &[],
        key: &["group_id", "is_egress", "protocol", "from_port", "cidr_ipv4"],
    },
    Table {
        name: "network_interface_address",
        texts: &[("network_interface_id", &["eni-0"]), ("instance_id", &["i-0"]), ("address", &["10.0.0.4"])],
        numbers: &["is_primary"],
        times: &[],
        key: &["network_interface_id", "address"],
    },
    Table {
        name: "route",
        texts: &[
            ("route_table_id", &["rtb-0"]),
            ("destination", &["0.0.0.0/0"]),
            ("target", &["local"]),
            ("vpc_id", &["vpc-0"]),
        ],
        numbers: &[],
        times: &[],
        key: &["route_table_id", "destination"],
    },
];

/// Two tables and a column that both have.
const JOINS: [(&str, &str, &str); 14] = [
    ("instance", "instance_volume", "instance_id"),
    ("volume", "instance_volume", "volume_id"),
    ("instance", "instance_security_group", "instance_id"),
    ("instance", "instance_health", "instance_id"),
    ("instance_volume", "instance_health", "instance_id"),
    ("instance_volume", "instance_security_group", "instance_id"),
    ("instance", "subnet", "subnet_id"),
    ("instance", "vpc", "vpc_id"),
    ("subnet", "vpc", "vpc_id"),
    ("security_group", "security_group_rule", "group_id"),
    ("security_group", "instance_security_group", "group_id"),
    ("instance", "tag", "id"),
    ("volume", "tag", "id"),
    ("instance", "network_interface_address", "instance_id"),
];

/// Flat tables that share few columns: all of them are joined by NATURAL.
const NATURAL: [(&str, &str); 3] = [
    ("instance_volume", "instance_security_group"),
    ("instance_security_group", "security_group_rule"),
    ("instance_volume", "network_interface_address"),
];

/// Makes statements.
pub(crate) struct Generator {
    random: Rng,
}

impl Generator {
    pub(crate) fn new(random: Rng) -> Self {
        Generator { random }
    }

    /// A statement, and whether its rows have an order.
    pub(crate) fn statement(&mut self) -> (String, bool) {
        let shape = self.random.usize(..14);
        match shape {
            0 | 1 => self.plain(),
            2 | 3 => self.grouped(),
            4 | 5 => self.joined(),
            6 => self.natural(),
            7 => self.shadowed(),
            8 => self.in_table(),
            9 => self.nested(),
            10 => self.correlated(),
            11 => self.combined(),
            12 => self.windowed(),
            _ => self.counted(),
        }
    }

    fn table(&mut self) -> &'static Table {
        &TABLES[self.random.usize(..TABLES.len())]
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())]
    }

    fn columns(table: &Table) -> Vec<&'static str> {
        let texts = table.texts.iter().map(|(name, _)| *name);
        texts.chain(table.numbers.iter().copied()).chain(table.times.iter().copied()).collect()
    }

    /// A condition on one table whose columns have `prefix`.
    fn term(&mut self, table: &Table, prefix: &str) -> String {
        if !table.numbers.is_empty() && self.random.u8(..4) == 0 {
            let (column, operator) = (self.pick(table.numbers), self.pick(&["=", "<>", "<", ">=", "IS NOT"]));
            let number = self.pick(&[0, 1, 8, 22, 100, 443, 65_535]);
            return format!("{prefix}{column} {operator} {number}");
        }
        if !table.times.is_empty() && self.random.u8(..4) == 0 {
            let column = self.pick(table.times);
            let time =
                self.pick(&["datetime('now', '-30 days')", "'2024-01-01'", "'2025-06-01T00:00:00Z'", "date('now')"]);
            let operator = self.pick(&["<", ">", "<=", ">="]);
            return format!("{prefix}{column} {operator} {time}");
        }
        let (column, values) = self.pick(table.texts);
        let value = self.pick(values);
        // Ids are not known here: their order and their beginnings are.
        if value.ends_with("-0") {
            let digit = self.pick(&["3", "8", "c"]);
            return match self.random.u8(..4) {
                0 => format!("{prefix}{column} > '{value}{digit}'"),
                1 => format!("{prefix}{column} LIKE '{value}{digit}%'"),
                2 => format!(
                    "{prefix}{column} IN (SELECT {column} FROM {} ORDER BY {column} LIMIT {digit2})",
                    table.name,
                    digit2 = 3
                ),
                _ => format!("{prefix}{column} IS NOT NULL"),
            };
        }
        let other = self.pick(values);
        match self.random.u8(..8) {
            0 => format!("{prefix}{column} <> '{value}'"),
            1 => format!("{prefix}{column} IN ('{value}', '{other}')"),
            2 => format!("{prefix}{column} NOT IN ('{value}')"),
            3 => format!("{prefix}{column} LIKE '{}%'", &value[..value.len().min(3)]),
            4 => format!("{prefix}{column} IS NOT NULL"),
            5 => format!("'{value}' = {prefix}{column}"),
            6 => format!("upper({prefix}{column}) = upper('{value}')"),
            _ => format!("{prefix}{column} = '{value}'"),
        }
    }

    fn condition(&mut self, table: &Table, prefix: &str) -> String {
        let mut terms: Vec<String> = (0..=self.random.usize(..3)).map(|_| self.term(table, prefix)).collect();
        match self.random.u8(..6) {
            0 => terms.join(" OR "),
            1 => format!("NOT ({})", terms.join(" AND ")),
            2 if terms.len() > 1 => {
                let last = terms.pop().unwrap_or_default();
                format!("({}) AND {last}", terms.join(" OR "))
            }
            _ => terms.join(" AND "),
        }
    }

    fn plain(&mut self) -> (String, bool) {
        let table = self.table();
        let columns = Self::columns(table);
        let shown: Vec<&str> = (0..=self.random.usize(..4)).map(|_| self.pick(&columns)).collect();
        let condition = self.condition(table, "");
        let order = table.key.join(", ");
        let distinct = self.pick(&["", "", "DISTINCT "]);
        let shown = numbered(&shown);
        match self.random.u8(..3) {
            0 if distinct.is_empty() => {
                let limit = self.random.u8(1..20);
                let sql =
                    format!("SELECT {shown} FROM {} WHERE {condition} ORDER BY {order} LIMIT {limit}", table.name);
                // Rows of rules may have the same key.
                (sql, table.name != "security_group_rule")
            }
            _ => (format!("SELECT {distinct}{shown} FROM {} WHERE {condition}", table.name), false),
        }
    }

    fn aggregate(&mut self, table: &Table, prefix: &str) -> String {
        let columns = Self::columns(table);
        let column = self.pick(&columns);
        match self.random.u8(..6) {
            0 => format!("count(DISTINCT {prefix}{column})"),
            1 => format!("min({prefix}{column})"),
            2 => format!("max({prefix}{column})"),
            3 if !table.numbers.is_empty() => format!("sum({prefix}{})", self.pick(table.numbers)),
            4 if !table.numbers.is_empty() => format!("avg({prefix}{})", self.pick(table.numbers)),
            5 => format!("count({prefix}{column}) FILTER (WHERE {prefix}{column} IS NOT NULL)"),
            _ => "count(*)".to_owned(),
        }
    }

    fn grouped(&mut self) -> (String, bool) {
        let table = self.table();
        let columns = Self::columns(table);
        let (by, aggregate) = (self.pick(&columns), self.aggregate(table, ""));
        let condition = self.condition(table, "");
        let having = self.pick(&["", " HAVING count(*) > 1", " HAVING n IS NOT NULL"]);
        let order = self.random.bool();
        let tail = if order { " ORDER BY g" } else { "" };
        (
            format!(
                "SELECT {by} AS g, {aggregate} AS n FROM {} WHERE {condition} GROUP BY {by}{having}{tail}",
                table.name
            ),
            order,
        )
    }

    fn named(name: &str) -> &'static Table {
        TABLES.iter().find(|table| table.name == name).unwrap_or(&TABLES[0])
    }

    fn joined(&mut self) -> (String, bool) {
        let (one, other, column) = self.pick(&JOINS);
        let (one, other) = if self.random.bool() { (one, other) } else { (other, one) };
        let (left, right) = (Self::named(one), Self::named(other));
        let join = self.pick(&[
            "JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "INNER JOIN",
            "LEFT OUTER JOIN",
            "FULL OUTER JOIN",
        ]);
        let extra = if self.random.bool() { self.term(right, "b.") } else { self.term(left, "a.") };
        let on = match self.random.u8(..3) {
            0 => format!("USING ({column})"),
            1 => format!("ON a.{column} = b.{column}"),
            _ => format!("ON a.{column} = b.{column} AND {extra}"),
        };
        let condition = if self.random.bool() { self.condition(left, "a.") } else { self.condition(right, "b.") };
        let wanted = if self.random.bool() { format!(" WHERE {condition}") } else { String::new() };
        let (first, second) = (self.pick(&Self::columns(left)), self.pick(&Self::columns(right)));
        if self.random.bool() {
            let aggregate = self.aggregate(right, "b.");
            let sql = format!(
                "SELECT a.{first} AS g, {aggregate} AS n FROM {one} a {join} {other} b {on}{wanted} GROUP BY a.{first}"
            );
            return (sql, false);
        }
        (format!("SELECT a.{first} AS x, b.{second} AS y FROM {one} a {join} {other} b {on}{wanted}"), false)
    }

    fn natural(&mut self) -> (String, bool) {
        let (one, other) = self.pick(&NATURAL);
        let join = self.pick(&["NATURAL JOIN", "NATURAL LEFT JOIN", "NATURAL FULL JOIN"]);
        let column = self.pick(&Self::columns(Self::named(other)));
        match self.random.u8(..3) {
            0 => (format!("SELECT count(*) AS n FROM {one} {join} {other}"), false),
            1 => (format!("SELECT {column} AS x, count(*) AS n FROM {one} {join} {other} GROUP BY {column}"), false),
            _ => {
                let term = self.term(Self::named(one), &format!("{one}."));
                (format!("SELECT count(*) AS n FROM {one} {join} {other} WHERE {term}"), false)
            }
        }
    }

    /// A common table that has the name of a real one.
    fn shadowed(&mut self) -> (String, bool) {
        let (hidden, source) = (self.table(), self.table());
        let column = self.pick(&Self::columns(source));
        let condition = self.condition(source, &format!("{}.", source.name));
        let sql = match self.random.u8(..3) {
            0 => format!(
                "WITH {} AS (SELECT 1 AS x UNION SELECT 2) SELECT x, count(*) AS n FROM {} GROUP BY x",
                hidden.name, hidden.name
            ),
            1 if hidden.name != source.name => format!(
                "WITH {0} AS (SELECT {column} AS x FROM {1} WHERE {condition}) SELECT x, count(*) AS n FROM {0} GROUP BY x",
                hidden.name, source.name
            ),
            _ => format!(
                "WITH first AS (SELECT {column} AS x FROM {} WHERE {condition}), second AS (SELECT x FROM first WHERE x IS NOT NULL) \
                 SELECT x, (SELECT count(*) FROM first) AS n FROM second",
                source.name
            ),
        };
        (sql, false)
    }

    fn in_table(&mut self) -> (String, bool) {
        let (one, other, column) = self.pick(&JOINS);
        let condition = self.condition(Self::named(other), "");
        let not = self.pick(&["", "NOT "]);
        let sql = format!(
            "WITH wanted AS (SELECT {column} FROM {other} WHERE {condition} AND {column} IS NOT NULL) \
             SELECT count(*) AS n, count(DISTINCT {column}) AS d FROM {one} WHERE {column} {not}IN wanted"
        );
        (sql, false)
    }

    fn nested(&mut self) -> (String, bool) {
        let table = self.table();
        let by = self.pick(&Self::columns(table));
        let (condition, aggregate) = (self.condition(table, ""), self.aggregate(table, ""));
        let sql = match self.random.u8(..3) {
            0 => format!(
                "SELECT g, n FROM (SELECT {by} AS g, {aggregate} AS n FROM {} GROUP BY 1) WHERE n IS NOT NULL",
                table.name
            ),
            1 => format!("SELECT count(*) AS n FROM (SELECT * FROM {} WHERE {condition})", table.name),
            _ => format!(
                "SELECT x, y FROM (SELECT {by} AS x FROM {0} WHERE {condition} ORDER BY 1 LIMIT 5) a CROSS JOIN \
                 (SELECT {aggregate} AS y FROM {0}) b",
                table.name
            ),
        };
        (sql, false)
    }

    fn correlated(&mut self) -> (String, bool) {
        let (one, other, column) = self.pick(&JOINS);
        let (term, condition) = (self.term(Self::named(other), "b."), self.condition(Self::named(one), "a."));
        let key = self.pick(&Self::columns(Self::named(one)));
        let sql = match self.random.u8(..3) {
            0 => format!(
                "SELECT a.{key} AS x, (SELECT count(*) FROM {other} b WHERE b.{column} = a.{column} AND {term}) AS n FROM {one} a WHERE {condition}"
            ),
            1 => format!(
                "SELECT count(*) AS n FROM {one} a WHERE EXISTS (SELECT 1 FROM {other} b WHERE b.{column} = a.{column} AND {term})"
            ),
            _ => format!(
                "SELECT a.{key} AS x FROM {one} a WHERE NOT EXISTS (SELECT 1 FROM {other} b WHERE b.{column} = a.{column} AND {term}) AND {condition}"
            ),
        };
        (sql, false)
    }

    fn combined(&mut self) -> (String, bool) {
        let (one, other, column) = self.pick(&JOINS);
        let operator = self.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
        let (first, second) = (self.condition(Self::named(one), ""), self.condition(Self::named(other), ""));
        let sql = format!(
            "SELECT {column} AS x FROM {one} WHERE {first} {operator} SELECT {column} FROM {other} WHERE {second} ORDER BY 1"
        );
        (sql, true)
    }

    fn windowed(&mut self) -> (String, bool) {
        let table = self.table();
        let (by, key) = (self.pick(&Self::columns(table)), table.key.join(", "));
        let function = self.pick(&["row_number()", "rank()", "count(*)"]);
        let condition = self.condition(table, "");
        let sql = format!(
            "SELECT {by} AS g, {function} OVER (PARTITION BY {by} ORDER BY {key}) AS n FROM {} WHERE {condition}",
            table.name
        );
        (sql, false)
    }

    fn counted(&mut self) -> (String, bool) {
        let table = self.table();
        let condition = self.condition(table, "");
        let sql = match self.random.u8(..4) {
            0 => format!("SELECT count(*) AS n FROM {}", table.name),
            1 => format!("SELECT count(*) AS n FROM {} WHERE {condition}", table.name),
            2 => "SELECT count(DISTINCT i.id) AS n FROM instance i, json_each(i.instance_group_id) g WHERE g.value LIKE 'sg-0%'".to_owned(),
            _ => {
                let key = self.pick(&["Name", "team", "env", "Team"]);
                format!("SELECT tags ->> '{key}' AS v, count(*) AS n FROM instance GROUP BY 1")
            }
        };
        (sql, false)
    }
}

/// Columns under names of their own.
fn numbered(columns: &[&str]) -> String {
    columns.iter().enumerate().map(|(place, column)| format!("{column} AS c{place}")).collect::<Vec<_>>().join(", ")
}

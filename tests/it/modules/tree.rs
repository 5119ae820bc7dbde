//! The tree of modules of a crate, read from its sources, and what a path means at a place in it.

use std::collections::{BTreeMap, HashMap};

use syn::{Attribute, Ident, Item, UseTree};

/// The name by which `main.rs` and other crates call the library.
const LIBRARY: &str = "muster";

/// The sources of a crate without the code that only tests compile, as modules with the names that each defines.
pub(crate) struct Tree {
    /// Paths below `src/`: `store/codec.rs`.
    pub(crate) files: Vec<String>,
    /// The syntax of each file.
    pub(crate) syntax: Vec<syn::File>,
    modules: Vec<Module>,
    /// The module of each file.
    tops: Vec<usize>,
}

struct Module {
    file: usize,
    parent: Option<usize>,
    /// The name of its ancestor (or itself) right below the root.
    top: String,
    scope: Scope,
}

/// Names that are defined or imported side by side: those of a module, or of a block.
#[derive(Default)]
pub(crate) struct Scope {
    names: HashMap<String, Vec<Definition>>,
    globs: Vec<Vec<String>>,
}

enum Definition {
    Module(usize),
    /// Anything else that has a name.
    Item,
    /// What the path means.
    Import(Vec<String>),
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Module(usize),
    /// Something that this file defines, or a member of it.
    Item(usize),
    /// Something of another crate.
    Outside,
}

impl Tree {
    /// Reads the texts of files by their paths below `src/`.
    ///
    /// # Panics
    ///
    /// When a text is not Rust, or a declared module has no file.
    pub(crate) fn read(texts: &BTreeMap<String, String>) -> Tree {
        let mut tree = Tree { files: Vec::new(), syntax: Vec::new(), modules: Vec::new(), tops: Vec::new() };
        for root in ["lib", "main"].into_iter().filter(|root| texts.contains_key(&format!("{root}.rs"))) {
            tree.add_file(texts, &format!("{root}.rs"), "", None, root);
        }
        tree
    }

    /// The module of a file.
    pub(crate) fn module_of(&self, file: usize) -> usize {
        self.tops[file]
    }

    /// The module that `name` declares inside another, in the same file.
    pub(crate) fn inline(&self, module: usize, name: &Ident) -> Option<usize> {
        let defined = self.modules[module].scope.names.get(&name.to_string())?;
        defined.iter().find_map(|definition| match definition {
            Definition::Module(module) => Some(*module),
            _ => None,
        })
    }

    /// The top-level module that a file belongs to: `store`, or `lib` and `main` for the roots.
    pub(crate) fn top(&self, file: usize) -> &str {
        &self.modules[self.tops[file]].top
    }

    /// Reads a file that is found in `directory` (empty, or ending in a slash) as the module `name`.
    fn add_file(
        &mut self,
        texts: &BTreeMap<String, String>,
        path: &str,
        directory: &str,
        parent: Option<usize>,
        top: &str,
    ) -> usize {
        let text = texts.get(path).unwrap_or_else(|| panic!("no file src/{path}"));
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
        let file = self.files.len();
        let module = self.modules.len();
        self.files.push(path.to_owned());
        self.tops.push(module);
        let syntax = if for_tests(&syntax.attrs) { syn::File { items: Vec::new(), ..syntax } } else { syntax };
        self.syntax.push(syntax.clone());
        self.modules.push(Module { file, parent, top: top.to_owned(), scope: Scope::default() });
        self.add_items(texts, &syntax.items, module, directory);
        module
    }

    fn add_items(&mut self, texts: &BTreeMap<String, String>, items: &[Item], module: usize, directory: &str) {
        let scope = Scope::of(items.iter());
        self.modules[module].scope.names.extend(scope.names);
        self.modules[module].scope.globs.extend(scope.globs);
        for item in items {
            let Item::Mod(declared) = item else { continue };
            if for_tests(&declared.attrs) {
                continue;
            }
            let name = declared.ident.to_string();
            let top = if self.modules[module].parent.is_none() { &name } else { &self.modules[module].top };
            let (top, below) = (top.clone(), format!("{directory}{name}/"));
            let child = if let Some((_, items)) = &declared.content {
                let child = self.modules.len();
                let file = self.modules[module].file;
                self.modules.push(Module { file, parent: Some(module), top, scope: Scope::default() });
                self.add_items(texts, items, child, &below);
                child
            } else {
                self.add_file(texts, &format!("{directory}{name}.rs"), &below, Some(module), &top)
            };
            self.modules[module].scope.define(&declared.ident, Definition::Module(child));
        }
    }

    /// What a path means in a module, inside blocks that define names of their own (the innermost last).
    pub(crate) fn resolve(&self, module: usize, blocks: &[Scope], path: &[String]) -> Vec<Target> {
        self.walk(module, blocks, path, &mut Vec::new())
    }

    /// The top-level module that a path names, when it begins at the root or climbs there.
    pub(crate) fn named_top(&self, module: usize, path: &[String]) -> Option<String> {
        let mut path = path.iter().peekable();
        let mut here = match path.peek()?.as_str() {
            "crate" | "self" | "super" => module,
            name if self.is_library(module, name) => 0,
            _ => return None,
        };
        while let Some(segment) = path.peek() {
            here = match segment.as_str() {
                "crate" => self.root(here),
                "self" => here,
                "super" => self.modules[here].parent?,
                _ => break,
            };
            path.next();
        }
        if self.modules[here].parent.is_some() { Some(self.modules[here].top.clone()) } else { path.next().cloned() }
    }

    fn walk(&self, module: usize, blocks: &[Scope], path: &[String], met: &mut Vec<(usize, String)>) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Target::Module(self.root(module))],
            "self" => vec![Target::Module(module)],
            "super" => self.modules[module].parent.map(Target::Module).into_iter().collect(),
            "Self" => Vec::new(),
            name => self.first(module, blocks, name, met),
        };
        while let Some((segment, after)) = rest.split_first() {
            if found.iter().any(|target| matches!(target, Target::Module(_))) {
                found.retain(|target| matches!(target, Target::Module(_)));
            }
            found = found
                .into_iter()
                .flat_map(|target| match target {
                    Target::Module(module) if segment == "super" => {
                        self.modules[module].parent.map(Target::Module).into_iter().collect()
                    }
                    Target::Module(module) if segment == "self" => vec![Target::Module(module)],
                    Target::Module(module) => self.member(module, segment, met),
                    other => vec![other],
                })
                .collect();
            rest = after;
        }
        found
    }

    /// What the first segment of a relative path means.
    fn first(&self, module: usize, blocks: &[Scope], name: &str, met: &mut Vec<(usize, String)>) -> Vec<Target> {
        for block in blocks.iter().rev() {
            if let Some(definitions) = block.names.get(name) {
                // An import of a block may have the name of what it imports.
                let outer: &[Scope] = &[];
                return definitions.iter().flat_map(|it| self.follow(module, outer, it, met)).collect();
            }
            for glob in &block.globs {
                let found = self.through_glob(module, glob, name, met);
                if !found.is_empty() {
                    return found;
                }
            }
        }
        let found = self.member(module, name, met);
        if !found.is_empty() {
            return found;
        }
        // Macros by example are also in scope in the modules below the one that defines them.
        let mut above = self.modules[module].parent;
        while let Some(ancestor) = above {
            if self.modules[ancestor].scope.names.contains_key(&format!("{name}!")) {
                return vec![Target::Item(self.modules[ancestor].file)];
            }
            above = self.modules[ancestor].parent;
        }
        if self.is_library(module, name) { vec![Target::Module(0)] } else { vec![Target::Outside] }
    }

    /// What a module has under a name, its imports followed.
    fn member(&self, module: usize, name: &str, met: &mut Vec<(usize, String)>) -> Vec<Target> {
        let step = (module, name.to_owned());
        if met.contains(&step) {
            return Vec::new();
        }
        met.push(step);
        let scope = &self.modules[module].scope;
        let found = match scope.names.get(name) {
            Some(definitions) => definitions.iter().flat_map(|it| self.follow(module, &[], it, met)).collect(),
            None => scope.globs.iter().flat_map(|glob| self.through_glob(module, glob, name, met)).collect(),
        };
        met.pop();
        found
    }

    fn follow(
        &self,
        module: usize,
        blocks: &[Scope],
        definition: &Definition,
        met: &mut Vec<(usize, String)>,
    ) -> Vec<Target> {
        match definition {
            Definition::Module(module) => vec![Target::Module(*module)],
            Definition::Item => vec![Target::Item(self.modules[module].file)],
            Definition::Import(path) => self.walk(module, blocks, path, met),
        }
    }

    fn through_glob(&self, module: usize, glob: &[String], name: &str, met: &mut Vec<(usize, String)>) -> Vec<Target> {
        let step = (module, format!("{}::*", glob.join("::")));
        if met.contains(&step) {
            return Vec::new();
        }
        met.push(step);
        let mut found = Vec::new();
        for target in self.walk(module, &[], glob, met) {
            if let Target::Module(module) = target {
                found.extend(self.member(module, name, met));
            }
        }
        met.pop();
        found
    }

    fn root(&self, module: usize) -> usize {
        let mut root = module;
        while let Some(parent) = self.modules[root].parent {
            root = parent;
        }
        root
    }

    fn is_library(&self, module: usize, name: &str) -> bool {
        name == LIBRARY && self.root(module) != 0
    }
}

impl Scope {
    /// The names that items define or import, child modules aside.
    pub(crate) fn of<'a>(items: impl Iterator<Item = &'a Item>) -> Scope {
        let mut scope = Scope::default();
        for item in items {
            let (attributes, name) = match item {
                Item::Const(it) => (&it.attrs, &it.ident),
                Item::Enum(it) => (&it.attrs, &it.ident),
                Item::Fn(it) => (&it.attrs, &it.sig.ident),
                Item::Static(it) => (&it.attrs, &it.ident),
                Item::Struct(it) => (&it.attrs, &it.ident),
                Item::Trait(it) => (&it.attrs, &it.ident),
                Item::Type(it) => (&it.attrs, &it.ident),
                Item::Union(it) => (&it.attrs, &it.ident),
                Item::Macro(it) => {
                    let Some(name) = &it.ident else { continue };
                    if !for_tests(&it.attrs) {
                        scope.names.entry(format!("{name}!")).or_default().push(Definition::Item);
                    }
                    (&it.attrs, name)
                }
                Item::Use(it) => {
                    if !for_tests(&it.attrs) && it.leading_colon.is_none() {
                        scope.import(&it.tree);
                    }
                    continue;
                }
                _ => continue,
            };
            if !for_tests(attributes) {
                scope.define(name, Definition::Item);
            }
        }
        scope
    }

    fn define(&mut self, name: &Ident, definition: Definition) {
        self.names.entry(name.to_string()).or_default().push(definition);
    }

    fn import(&mut self, tree: &UseTree) {
        for leaf in leaves(tree) {
            match leaf.name {
                Some(name) => self.define(&name, Definition::Import(leaf.path)),
                None => self.globs.push(leaf.path),
            }
        }
    }
}

/// One path of a `use` item.
pub(crate) struct Leaf {
    /// From its first segment to its last, without a closing `self` or `*`.
    pub(crate) path: Vec<String>,
    /// What it is called here. `None`: all that is in it, by their names.
    name: Option<Ident>,
    pub(crate) line: usize,
}

/// Each path of a `use` item, its braces taken apart.
pub(crate) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut found = Vec::new();
    gather(tree, &[], &mut found);
    found
}

fn gather(tree: &UseTree, prefix: &[Ident], found: &mut Vec<Leaf>) {
    let mut add = |last: Option<&Ident>, name: Option<&Ident>, line: usize| {
        let last = last.filter(|last| *last != "self" || prefix.is_empty());
        let path = prefix.iter().chain(last).map(ToString::to_string).collect();
        found.push(Leaf { path, name: name.cloned(), line });
    };
    match tree {
        UseTree::Path(it) => gather(&it.tree, &[prefix, std::slice::from_ref(&it.ident)].concat(), found),
        UseTree::Group(it) => it.items.iter().for_each(|tree| gather(tree, prefix, found)),
        UseTree::Name(it) if it.ident == "self" => add(Some(&it.ident), prefix.last(), line(&it.ident)),
        UseTree::Name(it) => add(Some(&it.ident), Some(&it.ident), line(&it.ident)),
        UseTree::Rename(it) => add(Some(&it.ident), Some(&it.rename), line(&it.ident)),
        UseTree::Glob(it) => add(None, None, it.star_token.spans[0].start().line),
    }
}

/// The line of a name in its file, from 1.
pub(crate) fn line(name: &Ident) -> usize {
    name.span().start().line
}

/// Whether only tests compile what has these attributes: `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
pub(crate) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.segments.last().is_some_and(|segment| segment.ident == "test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<syn::Meta>().is_ok_and(|condition| needs_test(&condition))
        }
        _ => false,
    })
}

fn needs_test(condition: &syn::Meta) -> bool {
    match condition {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => {
            let all = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
            list.parse_args_with(all).is_ok_and(|conditions| conditions.iter().any(needs_test))
        }
        _ => false,
    }
}

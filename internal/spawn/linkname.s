// The compiler takes functions without a body (child.go) in a package that has an assembly file.

// Package catalog decides which policy modules run on a node, and tells the
// supervisor.
//
// There are two kinds: the floor, which is the list in the agent's configuration,
// and PolicyModules. A PolicyModule takes the place of the module of the floor that
// has its name, for as long as it exists; then the floor's returns. So nothing that
// somebody deletes from the API takes away what the node's own configuration asks
// for.
//
// It promises that a PolicyModule that cannot be followed as it is written changes
// nothing: the version before goes on, and Entries says what is wrong and what to do;
// and that a module is added, changed and removed while the others go on.
//
// It never reads a module's bytes itself and never puts anything in force.
//
// When it dies, the modules that run go on as they are. A new one starts from the
// configuration and the PolicyModules alone.
package catalog

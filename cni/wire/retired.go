package wire

// RetiredFile is a file beside the agent's socket that is there after Sluice was uninstalled, until an agent starts again or
// the machine does. Some runtimes keep a Pod's list of plugins from its ADD for its DEL: then nothing is left to detach.
func RetiredFile(socket string) string { return socket + ".uninstalled" }

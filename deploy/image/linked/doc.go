// Package linked finds what a program of this machine needs to run in an image that
// has nothing else: the libraries that it is linked to.
//
// What it promises: each file is there once, however many programs need it.
//
// What it never does: look for what a program opens by itself while it runs, such as
// plugins and configuration.
package linked

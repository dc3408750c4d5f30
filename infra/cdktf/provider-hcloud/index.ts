/** Bindings for the Terraform provider `hetznercloud/hcloud`, in the shape of a generated provider package. */
export * as provider from './provider.js'
export * as server from './server.js'

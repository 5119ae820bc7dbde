//! What an instance was launched with: processor, metadata service, capacity, licences, accelerators.

#![expect(clippy::needless_pass_by_value, reason = "every mapper consumes what it maps, so that text moves")]

use aws_sdk_ec2::types;

use crate::kinds::fields::Fields;

pub(super) fn cpu_options(options: types::CpuOptions) -> Fields {
    Fields::new()
        .int("CoreCount", options.core_count)
        .int("ThreadsPerCore", options.threads_per_core)
        .code("AmdSevSnp", options.amd_sev_snp)
        .code("NestedVirtualization", options.nested_virtualization)
}

pub(super) fn metadata_options(response: types::InstanceMetadataOptionsResponse) -> Fields {
    Fields::new()
        .code("State", response.state)
        .code("HttpTokens", response.http_tokens)
        .int("HttpPutResponseHopLimit", response.http_put_response_hop_limit)
        .code("HttpEndpoint", response.http_endpoint)
        .code("HttpProtocolIpv6", response.http_protocol_ipv6)
        .code("InstanceMetadataTags", response.instance_metadata_tags)
}

pub(super) fn enclave_options(options: types::EnclaveOptions) -> Fields {
    Fields::new().flag("Enabled", options.enabled)
}

pub(super) fn hibernation_options(options: types::HibernationOptions) -> Fields {
    Fields::new().flag("Configured", options.configured)
}

pub(super) fn maintenance_options(options: types::InstanceMaintenanceOptions) -> Fields {
    Fields::new().code("AutoRecovery", options.auto_recovery).code("RebootMigration", options.reboot_migration)
}

pub(super) fn capacity_reservation(response: types::CapacityReservationSpecificationResponse) -> Fields {
    Fields::new().code("CapacityReservationPreference", response.capacity_reservation_preference).map(
        "CapacityReservationTarget",
        response.capacity_reservation_target,
        capacity_reservation_target,
    )
}

fn capacity_reservation_target(response: types::CapacityReservationTargetResponse) -> Fields {
    Fields::new()
        .text("CapacityReservationId", response.capacity_reservation_id)
        .text("CapacityReservationResourceGroupArn", response.capacity_reservation_resource_group_arn)
}

pub(super) fn license(configuration: types::LicenseConfiguration) -> Fields {
    Fields::new().text("LicenseConfigurationArn", configuration.license_configuration_arn)
}

pub(super) fn elastic_gpu(association: types::ElasticGpuAssociation) -> Fields {
    Fields::new()
        .text("ElasticGpuId", association.elastic_gpu_id)
        .text("ElasticGpuAssociationId", association.elastic_gpu_association_id)
        .text("ElasticGpuAssociationState", association.elastic_gpu_association_state)
        .text("ElasticGpuAssociationTime", association.elastic_gpu_association_time)
}

pub(super) fn inference_accelerator(association: types::ElasticInferenceAcceleratorAssociation) -> Fields {
    Fields::new()
        .text("ElasticInferenceAcceleratorArn", association.elastic_inference_accelerator_arn)
        .text("ElasticInferenceAcceleratorAssociationId", association.elastic_inference_accelerator_association_id)
        .text(
            "ElasticInferenceAcceleratorAssociationState",
            association.elastic_inference_accelerator_association_state,
        )
        .time("ElasticInferenceAcceleratorAssociationTime", association.elastic_inference_accelerator_association_time)
}
